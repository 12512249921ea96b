"""A forgotten row does not come back: not with an older version, by hand, or renumbered; what was left may stay."""

import pytest

from pipelines import by_hand, forgotten
from pipelines.errors import Refused
from pipelines.forget import forget
from pipelines.forget_choice import Wish
from pipelines.forgotten_rows import back
from pipelines.settings import read_settings
from pipelines.version_history import current, history
from pipelines.versions import pin
from tests.command import scriptorium
from tests.test_trace import CORPUS, POEM, WHY, add
from tests.versioned_data import TRAIN, new_data, read, row, use, write

COPY = POEM.replace("harbor", "harbour")


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """No recipe reads these data, so that a commit checks nothing else."""
    use(monkeypatch, tmp_path)
    monkeypatch.setenv("SCRIPTORIUM_RECIPES", str(tmp_path / "recipes"))
    monkeypatch.setenv("SCRIPTORIUM_MLFLOW_URL", "http://127.0.0.1:9")
    new_data(tmp_path / "data", rows=3)
    return read_settings()


def forget_these(settings, *ids, **options):
    return forget(Wish(ids, "its author asks", **options), settings).record


def test_an_older_version_that_holds_forgotten_rows_is_not_pinned_again(capsys, settings):
    before = current(settings).md5
    held = add(settings, row(7, POEM)).md5
    act = forget_these(settings, "row-7")
    said = scriptorium(capsys, "data", "pin", held, code=10).err
    assert f"forgotten on {act.at[:10]} (its author asks)" in said
    assert f"such as {act.version}" in said
    assert (current(settings).md5, len(read(settings.data / TRAIN))) == (act.version, 3)
    newer = add(settings, row(9)).md5
    for sound in (before, newer, act.version):
        assert pin(sound, WHY, settings).md5 == sound


def test_a_forgotten_row_that_was_put_back_by_hand_is_not_recorded(settings):
    add(settings, row(7, POEM))
    now = forget_these(settings, "row-7").version
    path, gone = settings.data / TRAIN, [*read(settings.data / TRAIN), row(7, POEM)]
    for rows in (gone, [*gone[:3], row(7, "The same id, saying something else.")]):
        write(path, rows)
        with pytest.raises(Refused, match=rf"nothing is recorded: 1 rows .* were forgotten.*{TRAIN} line 4; remove"):
            by_hand.commit("by hand", settings)
    write(path, gone[:3])
    write(settings.data / CORPUS, [*read(settings.data / CORPUS), row(7, POEM)])
    with pytest.raises(Refused, match=f"{CORPUS} line 2; remove"):
        by_hand.commit("what it says is known in any file", settings)
    assert (current(settings).md5, history(settings)[-1].md5) == (now, now)


@pytest.mark.service
def test_what_was_left_where_it_is_may_be_committed_and_other_rows_beside_it(settings):
    add(settings, row(7, POEM), row(8, COPY))
    add(settings, row(7, POEM), file=CORPUS)
    forget_these(settings, "row-7", files=(TRAIN,))
    path = settings.data / CORPUS
    write(path, [*reversed(read(path)), {"id": "c-9", "text": "By hand.", "lang": "en", "domain": "tales"}])
    assert by_hand.commit("the copy in the corpus was left", settings) == current(settings).md5
    assert [r["id"] for r in read(path)] == ["row-7", "c-1", "c-9"]


def test_lines_that_are_no_rows_are_nobodys_and_count_as_lines(settings):
    add(settings, row(7, POEM))
    forget_these(settings, "row-7")
    path = write(settings.data / "further" / "train.jsonl", [row(7, POEM)])
    path.write_text("\n[1]\nno JSON\n" + path.read_text())
    with pytest.raises(Refused, match=r": 1 rows .*further/train\.jsonl line 4; remove"):
        by_hand.commit("by hand", settings)


@pytest.mark.service
def test_without_an_act_of_forgetting_nothing_is_looked_for(settings):
    write(settings.data / TRAIN, [row(n) for n in range(5)])
    assert by_hand.commit("by hand", settings) == current(settings).md5
    assert forgotten.read(settings) == []


def again(settings, *rows, file=TRAIN):
    return list(back(rows, file, forgotten.read(settings)))


def test_what_a_forgotten_row_said_is_known_under_any_id_label_and_dress_in_any_file(settings):
    add(settings, row(7, POEM))
    act = forget_these(settings, "row-7")
    dressed = POEM.upper().replace(". ", " \u200b!\n")
    same = [row("new", POEM), row("new", dressed, "good"), {"id": "c-7", "text": POEM, "domain": "poems", "lang": "en"}]
    assert again(settings, *same, row("new", COPY), file=CORPUS) == [0, 1, 2]
    assert "little cat feet" not in act.model_dump_json()


def test_a_copy_that_was_taken_along_is_known_under_another_id_too(settings):
    add(settings, row(7, POEM), row(8, COPY))
    forget_these(settings, "row-7", near=True)
    assert again(settings, row(8, "Something else."), row("new", COPY), row("new", POEM)) == [1, 2]


@pytest.mark.parametrize(
    ("gone", "other"),
    [
        ({"text": "Thank you!"}, {"text": "Thank you!"}),
        ({"question": "Who pays?", "answer": POEM}, {"question": "Who reads?", "answer": POEM}),
        ({"messages": [], "context": [POEM]}, {"messages": [], "context": [POEM]}),
    ],
)
def test_rows_that_share_a_phrase_an_answer_or_a_context_are_not_the_same_row(settings, gone, other):
    add(settings, gone | {"id": "row-7", "lang": "en"})
    forget_these(settings, "row-7")
    assert again(settings, other | {"id": "new", "lang": "en"}, gone | {"id": "row-7", "lang": "en"}) == [1]


def test_a_record_of_before_is_whole_and_knows_its_rows_by_id_and_content(settings):
    path = forgotten.path_of(settings)
    path.parent.mkdir(parents=True)
    none = 64 * "0"
    path.write_text(
        f'{{"at":"2026-11-30T00:06:00+00:00","by":"ada","gaps":[],"models":[],"previous":"{none}","reason":"asked",'
        f'"retrain":[],"rows":[{{"files":["{TRAIN}"],"id":"row-7","near":false,"sha256":["{none}"]}}],"runs":[],'
        '"sequence":0,"sha256":"2c45968b00ca5941ba2067a1a3e7d5d7a18e16e59dc1b3ec5831a6cbfd89125f","version":"v",'
        '"versions":[]}\n'
    )
    add(settings, row(8, POEM))
    forget_these(settings, "row-8")
    assert [row.said == () for act in forgotten.read(settings) for row in act.rows] == [True, False]
    assert again(settings, row(7), row("new"), row("new", POEM)) == [0, 2]
