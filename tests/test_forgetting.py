"""Forgotten rows are out of the data, on record without their text, and the champions that knew them are named."""

import json
import re
from functools import partial

import pytest

from pipelines import forgotten
from pipelines.errors import Refused, ScriptoriumError
from pipelines.forget import forget
from pipelines.forget_choice import Wish
from pipelines.row_search import digest_of
from pipelines.settings import read_settings
from pipelines.version_history import Change, current, history
from pipelines.versions import pin, rows_of
from tests.command import scriptorium
from tests.killing import killed
from tests.test_trace import CORPUS, POEM, WHY, add, candidate, promote
from tests.versioned_data import TRAIN, new_data, read, row, use

COPY = POEM.replace("harbor", "harbour")


@pytest.fixture
def settings(tmp_path, monkeypatch):
    use(monkeypatch, tmp_path)
    monkeypatch.setenv("SCRIPTORIUM_MLFLOW_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SCRIPTORIUM_AIRFLOW_URL", "http://127.0.0.1:9")
    new_data(tmp_path / "data", rows=3)
    return read_settings()


def wish(*ids, **options):
    return Wish(ids, "its author asks", **options)


def ids(settings):
    return [r["id"] for r in read(settings.data / TRAIN)]


def test_forgotten_rows_are_out_of_the_data_and_on_record_without_their_text(settings):
    old = add(settings, row(7, POEM), row(8, "Another poem by the same hand, which nobody has read so far.")).md5
    newer = add(settings, row(9, "Nothing of the kind, but a line about the price of wheat.")).md5
    answer = forget(wish("row-7", "row-8"), settings)
    assert ids(settings) == ["row-0", "row-1", "row-2", "row-9"]
    last = history(settings)[-1]
    assert (last.changes, last.reason) == ({TRAIN: Change(removed=2)}, "2 rows forgotten: its author asks")
    (act,) = forgotten.read(settings)
    assert act == answer.record
    assert answer.waiting == ()
    assert (act.version, act.versions, act.reason) == (last.md5, (old, newer), "its author asks")
    first = act.rows[0]
    assert (first.id, first.files, first.sha256) == ("row-7", (TRAIN,), (digest_of(row(7, POEM)),))
    assert "little cat feet" not in forgotten.path_of(settings).read_text()


def test_champions_that_learned_from_it_are_to_be_retrained_until_they_are(settings):
    md5 = add(settings, row(7, POEM)).md5
    knew = candidate(settings, md5, "a")
    promote(settings, knew, "1")
    answer = forget(wish("row-7"), settings)
    assert answer.waiting == ()
    assert (answer.retrain, answer.record.runs, answer.record.models) == (("mood",), ("mood/a",), (knew.sha256,))
    promote(settings, candidate(settings, current(settings).md5, "b", seed=2), "2")
    again = forget(wish("row-7"), settings)
    assert (again.state, again.retrain) == ("forgotten before", ())


def test_a_candidate_that_learned_from_it_and_waits_for_its_review_is_named(settings):
    waits = candidate(settings, add(settings, row(7, POEM)).md5, "a")
    answer = forget(wish("row-7"), settings)
    assert (answer.retrain, answer.waiting) == ((), (f"mood/a (dossier {waits.sha256})",))


def test_asking_twice_changes_nothing_and_says_when_it_was_done(capsys, settings):
    first = forget(wish("row-1"), settings)
    before = history(settings)
    again = forget(wish("row-1"), settings)
    assert (again.state, again.record) == ("forgotten before", first.record)
    assert (history(settings), len(forgotten.read(settings))) == (before, 1)
    said = scriptorium(capsys, "data", "forget", "row-1", "--reason", "again").out
    assert f"forgot this on {first.record.at} (its author asks)" in said


def test_a_row_that_came_back_is_forgotten_again(settings):
    forget(wish("row-1"), settings)
    add(settings, row(1))
    assert forget(wish("row-1"), settings).state == "forgotten"
    assert ids(settings) == ["row-0", "row-2"]


def test_a_row_that_only_older_versions_hold_is_recorded_and_makes_no_version(settings):
    old = current(settings).md5
    add(settings, row(7, POEM))
    pin(old, WHY, settings)
    before = len(history(settings))
    answer = forget(wish("row-7"), settings)
    assert (answer.state, answer.record.version, len(history(settings))) == ("forgotten", old, before)
    assert forget(wish("row-7"), settings).state == "forgotten before"


def test_copies_are_shown_with_their_places_and_stay(settings):
    add(settings, row(7, POEM), row(8, COPY))
    add(settings, {"id": "c-7", "text": POEM, "lang": "en", "domain": "poems"}, file=CORPUS)
    answer = forget(wish("row-7"), settings)
    assert [(c.file, c.line, c.id, c.how) for c in answer.copies] == [
        (CORPUS, 2, "c-7", "same text"),
        (TRAIN, 5, "row-8", "near text"),
    ]
    assert "row-8" in ids(settings)


def test_copies_are_taken_along_when_asked_and_what_knew_them_counts(settings):
    md5 = add(settings, row(8, COPY)).md5
    promote(settings, candidate(settings, md5, "a"), "1")
    add(settings, row(7, POEM))
    answer = forget(wish("row-7", near=True), settings)
    assert ids(settings) == ["row-0", "row-1", "row-2"]
    assert [(r.id, r.near) for r in answer.record.rows] == [("row-7", False), ("row-8", True)]
    assert (answer.retrain, answer.record.versions[0], answer.copies) == (("mood",), md5, ())


def test_an_unknown_id_is_refused_with_near_misses_and_nothing_is_forgotten(settings):
    before = current(settings).md5
    with pytest.raises(Refused, match=r"'row-11' \(did you mean 'row-1' or .*nothing was forgotten"):
        forget(wish("row-0", "row-11"), settings)
    with pytest.raises(Refused, match=r"'zzz' \(none is like it\)"):
        forget(wish("zzz"), settings)
    assert (current(settings).md5, forgotten.read(settings)) == (before, [])


def test_an_id_of_two_different_rows_is_not_guessed(settings):
    add(settings, {"id": "row-1", "text": POEM, "lang": "en", "domain": "poems"}, file=CORPUS)
    with pytest.raises(Refused, match=rf"'row-1' stands for different rows in {CORPUS}, {TRAIN}.*--file"):
        forget(wish("row-1"), settings)
    forget(wish("row-1", files=(CORPUS,)), settings)
    assert ids(settings) == ["row-0", "row-1", "row-2"]
    assert [r["id"] for r in read(settings.data / CORPUS)] == ["c-1"]


@pytest.mark.parametrize("reason", ["", "  "])
def test_forgetting_without_a_reason_is_refused(settings, reason):
    with pytest.raises(Refused, match="needs a reason"):
        forget(Wish(("row-1",), reason), settings)


def test_where_the_rows_still_lie_is_said_plainly(capsys, settings):
    old = current(settings)
    said = scriptorium(capsys, "data", "forget", "row-1", "--reason", "asked").out
    assert "NOT deleted; the rows still lie in:" in said
    assert f"{old.files[TRAIN][:2]}/{old.files[TRAIN][2:]}" in said
    assert [r["id"] for r in rows_of(old.md5, TRAIN, settings)] == ["row-0", "row-1", "row-2"]


def test_a_current_version_that_cannot_be_searched_forgets_nothing(settings):
    add(settings, row(7, POEM))
    (settings.data / TRAIN).unlink()
    md5 = current(settings).files[TRAIN]
    (settings.home / "dvc-remote" / "files" / "md5" / md5[:2] / md5[2:]).write_text("damaged\n")
    with pytest.raises(ScriptoriumError, match="cannot be searched, so nothing was forgotten"):
        forget(wish("row-1"), settings)
    assert forgotten.read(settings) == []


def test_an_edited_record_is_refused(settings):
    forget(wish("row-1"), settings)
    path = forgotten.path_of(settings)
    path.write_text(path.read_text().replace("its author asks", "nobody asked"))
    with pytest.raises(ScriptoriumError, match=r"line 1: the chain is broken.*restored from its backup"):
        forget(wish("row-2"), settings)


def test_the_command_answers_in_json_and_names_the_trainings_that_did_not_start(capsys, settings):
    promote(settings, candidate(settings, add(settings, row(7, POEM)).md5, "a"), "1")
    done = scriptorium(capsys, "data", "forget", "row-7", "--reason", "asked", "--trigger", "--json", code=1)
    assert json.loads(done.out)["retrain"] == ["mood"]
    assert re.search(r"(?s)trainings did not start.*--trigger tries again.*mood", done.err)
    assert ids(settings) == ["row-0", "row-1", "row-2"]


@pytest.mark.service
@pytest.mark.parametrize("apart", [9, pytest.param(3, marks=pytest.mark.thorough)])
def test_a_kill_at_any_change_of_a_file_while_forgetting_is_made_good(tmp_path, monkeypatch, apart):
    point, ended, seen = 0, True, set()
    while ended:
        root = tmp_path / str(point)
        use(monkeypatch, root)
        monkeypatch.setenv("SCRIPTORIUM_MLFLOW_URL", "http://127.0.0.1:9")
        new_data(root / "data", rows=3)
        settings = read_settings()
        add(settings, row(7, POEM), row(8, COPY))
        ended = killed(partial(forget, wish("row-7", near=True), settings), point, root)
        forget(wish("row-7", near=True), settings)
        assert ids(settings) == ["row-0", "row-1", "row-2"]
        acts = forgotten.read(settings)
        assert [[r.id for r in act.rows] for act in acts] == [["row-7", "row-8"]]
        assert acts[0].version == current(settings).md5 == history(settings)[-1].md5
        assert forgotten.decided(settings) is None
        seen.add(len(history(settings)))
        point += apart  # each takes seconds; together with the other tests of this kind every sort of change is met
    assert point > 10
    assert seen == {3}
