"""Rows set aside are kept with their reason, shown without personal data, and join the data when a person says so."""

import json
from functools import partial
from pathlib import Path

import pytest

from pipelines.check_files import check_files
from pipelines.errors import Refused, ScriptoriumError
from pipelines.forget import forget
from pipelines.forget_choice import Wish
from pipelines.limits import Limits
from pipelines.quarantine import Batch, batches, folder, glimpses, keep, read_batch
from pipelines.release import Decision, release, releases
from pipelines.settings import read_settings
from pipelines.version_history import history
from tests.command import scriptorium
from tests.killing import killed
from tests.versioned_data import TRAIN, new_data, read, row, use, write

MAIL = "Write to jane.doe@gmail.com for a copy of the minutes."
LONG = "A very long line about the weather. " * 10


# Its limits are wide, so that what these tests release may be learned from.
MOOD = """
name = "mood"
description = "Says the mood of a text"
task = "classification"

[data]
corpus = "corpus/domain.jsonl"
examples = "tasks/mood"
replay = { corpus = "corpus/domain.jsonl", share = 0.1 }

[base]
model = { scratch = "tiny-encoder" }
tokens = 20_000

[pretrain]
objective = "masked"
tokens = 20_000

[review]
reviewers = ["reviewer"]

[validation]
personal_data = 0.9
"""


def begin(monkeypatch, root):
    """Data, and the recipe that they are for."""
    use(monkeypatch, root)
    monkeypatch.setenv("SCRIPTORIUM_RECIPES", str(root / "recipes"))
    monkeypatch.setenv("SCRIPTORIUM_MLFLOW_URL", "http://127.0.0.1:9")
    (root / "recipes").mkdir(parents=True)
    (root / "recipes" / "mood.toml").write_text(MOOD)
    new_data(root / "data", rows=3)
    return read_settings()


@pytest.fixture
def settings(tmp_path, monkeypatch):
    return begin(monkeypatch, tmp_path)


def aside(settings, name="b1", rows=(), **changes):
    """Check rows as an ingest does, and keep what is set aside."""
    good = [row(f"good-{n}", f"Plain text number {n} about nothing at all.") for n in range(30)]
    out = settings.home.parent / f"out-{name}"
    limits = Limits(longest_text=200, near_duplicates=False, quarantined=0.5)
    found = write(settings.home.parent / "part.jsonl", [*good, *rows])
    result = check_files([found], "classification", limits, out=out, say=lambda _: None)
    assert result.quarantined == len(rows)
    made = {"batch": name, "source": "landing/1", "recipe": "mood", "target": TRAIN, "md5": None}
    batch = Batch(**made | {"verdict": result.verdict} | changes)
    keep(out, batch, settings)
    return batch


def let(settings, *numbers, name="b1", announce=lambda _: False, **options):
    return release(Decision(name, numbers or None, "looked at by hand", **options), settings, announce=announce)


ROWS = (row(7, MAIL), row(8, LONG), row("jane.doe@gmail.com", LONG + "!"))


def test_what_is_set_aside_is_kept_once_and_listed(capsys, settings):
    batch = aside(settings, rows=ROWS)
    (kept,) = batches(settings)
    assert (kept.batch, kept.rows, kept.target, kept.verdict) == ("b1", 3, TRAIN, "quarantine")
    assert keep(settings.home.parent / "out-b1", batch, settings) == folder(settings) / "b1"
    with pytest.raises(Refused, match="with other rows is in quarantine already"):
        aside(settings, rows=ROWS[:1])
    assert json.loads(scriptorium(capsys, "quarantine", "list", "--json").out)[0]["released"] == 0


@pytest.mark.parametrize("name", ["../x", "", "a/b", ".hidden", "x" * 201])
def test_a_batch_outside_its_place_is_refused(settings, name):
    with pytest.raises(Refused):
        aside(settings, name="b1", rows=ROWS, batch=name)
    assert not list(settings.home.parent.glob("**/manifest.json"))


def test_a_row_is_shown_with_its_place_and_reason_and_little_of_its_text(settings):
    aside(settings, rows=ROWS)
    shown = list(glimpses(read_batch("b1", settings), settings))
    assert [(g.number, Path(g.file).name, g.line, g.checks) for g in shown] == [
        (1, "part.jsonl", 32, ("long_texts",)),
        (2, "part.jsonl", 33, ("long_texts",)),
        (3, "part.jsonl", 31, ("personal_data",)),  # whether these are set aside is known at the end of the file
    ]
    assert shown[0].text == LONG[:80]


def test_personal_data_is_never_shown_wherever_it_stands_in_the_row(capsys, settings):
    aside(settings, rows=ROWS)
    for arguments in (("show", "b1"), ("show", "b1", "--json"), ("list",)):
        said = scriptorium(capsys, "quarantine", *arguments)
        assert "jane" not in said.out + said.err
    assert "personal data, not shown" in scriptorium(capsys, "quarantine", "show", "b1").out


def test_released_rows_join_the_data_and_the_record_says_who_and_why(capsys, settings):
    aside(settings, rows=ROWS)
    done = let(settings, 1)
    assert read(settings.data / TRAIN)[-1] == row(8, LONG)
    last = history(settings)[-1]
    assert (last.md5, last.sources) == (done.version, ("landing/1",))
    assert last.reason == "released from quarantine b1: looked at by hand"
    assert releases(settings) == [done]
    assert (done.rows, done.personal, done.reason) == ((1,), (), "looked at by hand")
    assert ", released" in scriptorium(capsys, "quarantine", "show", "b1").out


def test_a_release_is_announced_as_an_ingest_is_and_one_that_adds_nothing_is_not(settings):
    aside(settings, rows=ROWS)
    heard = []
    done = let(settings, 1, announce=heard.append)
    changes = {TRAIN: {"added": 1, "replaced": 0, "removed": 0}}
    assert heard == [{"md5": done.version, "batch": "b1", "recipe": "mood", "rows": 1, "changes": changes}]
    assert let(settings, 1, announce=heard.append) is None
    with pytest.raises(Refused):
        let(settings, 2, announce=heard.append)
    assert len(heard) == 1


def test_without_airflow_a_release_says_that_nobody_was_told(capsys, settings):
    aside(settings, rows=ROWS)
    said = scriptorium(capsys, "quarantine", "release", "b1", "--rows", "1", "--reason", "looked at").out
    assert "not announced: there is no Airflow here" in said


def test_personal_data_is_released_only_when_that_is_said_and_then_recorded(settings):
    aside(settings, rows=ROWS)
    with pytest.raises(Refused, match=r"rows 2, 3 hold personal data.*--with-personal-data"):
        let(settings)
    assert len(read(settings.data / TRAIN)) == 3
    done = let(settings, personal=True)
    assert (done.rows, done.personal) == ((1, 2, 3), (2, 3))
    assert "jane" not in (folder(settings) / "releases.jsonl").read_text()


def test_rows_released_twice_are_added_and_recorded_once(capsys, settings):
    aside(settings, rows=ROWS)
    let(settings, 1)
    before = history(settings)
    assert let(settings, 1) is None
    assert (history(settings), len(releases(settings))) == (before, 1)
    said = scriptorium(capsys, "quarantine", "release", "b1", "--rows", "1", "--reason", "again").out
    assert "released before" in said
    assert let(settings, 1, 2, personal=True).rows == (2,)


def test_an_id_that_the_data_have_with_other_content_is_refused(settings):
    aside(settings, rows=[row(1, LONG)])
    with pytest.raises(Refused, match="row-1"):
        let(settings)
    assert releases(settings) == []


def test_a_forgotten_row_does_not_come_back_by_this_door(settings):
    aside(settings, rows=[row(1, LONG), row(8, LONG + "!")])
    forget(Wish(("row-1",), "asked"), settings)
    with pytest.raises(Refused, match="rows 1 were forgotten"):
        let(settings)
    assert let(settings, 2).rows == (2,)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("b1", "--reason", "x"), "--rows 1,4,7 or --all"),
        (("b1", "--rows", "2", "--all", "--reason", "x"), "--rows 1,4,7 or --all"),
        (("b1", "--rows", "1;2", "--reason", "x"), "write numbers with commas"),
        (("b1", "--rows", "2,9", "--reason", "x"), "has rows 1 to 3, not 9"),
        (("b1", "--all", "--reason", " "), "needs a reason"),
        (("b2", "--all", "--reason", "x"), "allowed: b1 (`scriptorium quarantine list`)"),
    ],
)
def test_mistakes_are_answered_with_their_cure(capsys, settings, arguments, said):
    aside(settings, rows=ROWS)
    assert said in scriptorium(capsys, "quarantine", "release", *arguments, code=10).err
    assert history(settings) == []


def test_rows_that_changed_since_they_were_kept_are_not_released(settings):
    aside(settings, rows=ROWS)
    path = folder(settings) / "b1" / "quarantined.jsonl"
    path.write_text(path.read_text().replace("weather", "feather"))
    with pytest.raises(ScriptoriumError, match="is not what was kept"):
        let(settings, 2)


def test_an_edited_record_of_releases_is_refused(settings):
    aside(settings, rows=ROWS)
    let(settings, 1)
    path = folder(settings) / "releases.jsonl"
    path.write_text(path.read_text().replace("by hand", "by foot"))
    with pytest.raises(ScriptoriumError, match="line 1: the chain is broken"):
        let(settings, 2, personal=True)


def write_down(path, found):
    with path.open("a") as file:
        file.write(f"{found['md5']}\n")


@pytest.mark.service
@pytest.mark.parametrize("apart", [9, pytest.param(3, marks=pytest.mark.thorough)])
def test_a_kill_at_any_change_of_a_file_while_releasing_is_made_good(tmp_path, monkeypatch, apart):
    point, ended = 0, True
    while ended:
        settings = begin(monkeypatch, tmp_path / str(point))
        aside(settings, rows=ROWS)
        heard = tmp_path / f"{point}.heard"
        listen = partial(write_down, heard)
        ended = killed(partial(let, settings, 1, announce=listen), point, settings.home.parent)
        let(settings, 1, announce=listen)
        assert read(settings.data / TRAIN) == [row(0), row(1), row(2), row(8, LONG)]
        assert [made.rows for made in releases(settings)] == [(1,)]
        assert releases(settings)[0].version == history(settings)[-1].md5
        assert set(heard.read_text().split()) == {history(settings)[-1].md5}, "heard at least once, whatever was killed"
        point += apart  # each takes seconds; together with the other tests of this kind every sort of change is met
    assert point > 10
