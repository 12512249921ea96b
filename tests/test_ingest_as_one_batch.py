"""A batch is checked as one, against what is there; it comes in whole, in part with reasons, or not at all."""

import tarfile
from pathlib import Path

import pytest

from pipelines import quarantine, summaries
from pipelines.announce import announced
from pipelines.batch import outcomes, uri_of
from pipelines.errors import Refused
from pipelines.forget import forget
from pipelines.forget_choice import Wish
from pipelines.settings import read_settings
from pipelines.version_history import current, history
from tests.dropped_files import (
    CORPUS,
    TEST,
    TRAIN,
    drop,
    example,
    findings,
    folder,
    passage,
    places,
    recipe_in,
    said,
    settings,
    take_in,
)
from tests.versioned_data import read

__all__ = ["folder", "settings", "take_in"]
pytestmark = pytest.mark.service  # Great Expectations takes most of a second for each set of files


def test_what_comes_later_is_added_to_what_is_there(settings, folder, take_in):
    first = take_in(folder)
    drop(folder / "train" / "second.jsonl", [example("train-3"), example("new")])
    second = take_in(folder)
    assert second.changes[TRAIN].added == 1
    assert history(settings)[-1].parent == first.md5
    assert read(settings.data / TRAIN)[-1] == example("new")


def test_the_same_rows_in_another_file_make_no_version_and_are_not_announced(settings, folder, take_in):
    take_in(folder)
    drop(folder / "train" / "again.jsonl", [example("train-3")])
    outcome = take_in(folder, announce=lambda _: pytest.fail("there is no new version"))
    assert (outcome.state, outcome.changes, outcome.md5) == ("accepted", {}, current(settings).md5)


def test_a_new_version_is_announced(folder, take_in):
    heard = []
    outcome = take_in(folder, announce=heard.append)
    assert [(o.md5, o.changes[TRAIN].added) for o in heard] == [(outcome.md5, 20)]


def test_versions_that_nobody_could_announce_are_announced_with_the_one_after_them(settings, folder, take_in):
    """Each would start the trainings again, with data that they have."""
    first = take_in(folder)
    drop(folder / "train" / "second.jsonl", [example("new")])
    second = take_in(folder)
    drop(folder / "train" / "third.jsonl", [example("newer")])
    take_in(folder)
    assert announced(uri_of(second, settings))["md5"] == second.md5
    assert [one.announced for one in outcomes("mine", settings)] == [True, True, False]
    assert first.changes


def test_a_refused_file_that_is_removed_from_its_source_is_forgotten(settings, folder, take_in):
    take_in(folder)
    drop(folder / "train" / "good.jsonl", [example("good")])
    bad = drop(folder / "train" / "bad.jsonl", [{"no": "row"}])
    assert take_in(folder).state == "refused"
    bad.unlink()
    assert take_in(folder).changes[TRAIN].added == 1


def test_a_refused_file_that_was_taken_away_is_judged_again_when_it_comes_back_as_it_was(
    settings, folder, take_in, tmp_path
):
    take_in(folder)
    row = example("train-3", completion="Something else entirely.")
    file = drop(folder / "train" / "other.jsonl", [row])
    refused = take_in(folder)
    file.unlink()
    assert [take_in(folder), take_in(folder)] == [None, None]
    withdrawn = [o for o in outcomes("mine", settings) if o.state == "withdrawn"]
    assert [o.batch.files for o in withdrawn] == [refused.batch.files]
    drop(file, [row])
    assert take_in(folder).state == "refused"
    file.unlink()
    assert take_in(folder) is None
    drop(file, [row])
    mended = recipe_in(tmp_path / "other", on_conflict="replace")
    assert take_in(folder, mended).changes[TRAIN].replaced == 1
    assert take_in(folder, mended) is None


def test_what_is_refused_for_one_place_can_be_brought_in_for_another(folder, take_in, tmp_path):
    take_in(folder)
    file = drop(tmp_path / "other" / "some.jsonl", [passage("late")])
    with pytest.raises(Refused, match=r"no clear place in the data: 'some.jsonl' \(its name says nothing\)"):
        take_in(file)
    assert take_in(file, into="train").state == "refused"
    assert take_in(file, into="corpus").changes[CORPUS].added == 1


def test_a_training_row_out_of_the_test_set_is_shown_where_it_came(folder, take_in):
    take_in(folder)
    stolen = example("test-7")["prompt"].upper()
    file = drop(folder / "train" / "later.jsonl", [example("mine"), example("stolen", prompt=stolen)])
    found = findings(take_in(folder))
    assert places(found["leakage"]) == {(str(file), 2)}
    assert found["leakage"].cure


def test_a_test_row_that_training_or_the_corpus_shows_is_refused(folder, take_in):
    take_in(folder)
    seen = [example("a", prompt=example("train-4")["prompt"]), example("b", prompt=passage("c-3")["text"])]
    file = drop(folder / "test" / "later.jsonl", seen)
    found = findings(take_in(folder))
    assert places(found["leakage"]) == {(str(file), 1)}
    assert found["corpus_leakage"].rows == 1


def test_a_corpus_text_that_holds_a_test_text_is_refused(folder, take_in):
    take_in(folder)
    prompts = [example(f"test-{n}")["prompt"] for n in range(3)]
    drop(folder / "corpus" / "later.jsonl", [passage("x", text=f"Once more. {' '.join(prompts)} The end.")])
    found = findings(take_in(folder))
    assert places(found["corpus_leakage"]) == {(TEST, 1), (TEST, 2), (TEST, 3)}


def test_a_test_text_in_the_text_to_replay_is_refused_too(folder, take_in, tmp_path):
    named = recipe_in(tmp_path / "other", replay="corpus/general.jsonl")
    drop(folder / "replay" / "first.jsonl", [passage(f"g-{n}") for n in range(20)])
    take_in(folder, named)
    drop(folder / "replay" / "later.jsonl", [passage("x", text=example("test-2")["prompt"])])
    assert places(findings(take_in(folder, named))["corpus_leakage"]) == {(TEST, 3)}


def test_a_text_that_is_held_out_may_not_come_again_to_be_trained_on(folder, take_in):
    take_in(folder)
    drop(folder / "corpus" / "later.jsonl", [passage("x", text=passage("c-5")["text"])])
    assert findings(take_in(folder)).keys() == {"heldout_in_training"}


def test_a_leak_that_is_there_already_is_not_held_against_a_clean_batch(settings, folder, take_in, tmp_path):
    loose = recipe_in(tmp_path / "loose", "[validation]\nleakage = 1.0\nnear_leakage = 1.0")
    drop(folder / "train" / "leak.jsonl", [example("leak", prompt=example("test-1")["prompt"])])
    assert take_in(folder, loose).state == "accepted"
    drop(folder / "train" / "clean.jsonl", [example("clean")])
    assert take_in(folder).changes[TRAIN].added == 1
    drop(folder / "train" / "worse.jsonl", [example("worse", prompt=example("test-2")["prompt"])])
    assert findings(take_in(folder))["leakage"].rows == 2


def test_an_id_with_other_content_is_refused_or_replaces_as_the_recipe_says(settings, folder, take_in, tmp_path):
    before = take_in(folder).md5
    drop(folder / "train" / "other.jsonl", [example("train-3", completion="Something else entirely.")])
    refused = findings(take_in(folder))["id_conflict"]
    assert "train-3" in refused.message
    assert 'on_conflict = "replace"' in refused.cure
    assert current(settings).md5 == before
    replaced = take_in(folder, recipe_in(tmp_path / "other", on_conflict="replace"))
    assert replaced.changes[TRAIN].replaced == 1
    assert read(settings.data / TRAIN)[3]["completion"] == "Something else entirely."


def test_rows_to_decide_about_are_kept_apart_with_their_reasons_and_the_rest_comes_in(settings, folder, take_in):
    rows = [example(f"more-{n}") for n in range(30)]
    rows[4] |= {"prompt": "Write to somebody.else@example.com about the case."}
    file = drop(folder / "train" / "more.jsonl", rows)
    outcome = take_in(folder)
    assert (outcome.result.verdict, outcome.result.quarantined) == ("quarantine", 1)
    assert outcome.changes[TRAIN].added == 20 + 29
    (name,) = outcome.quarantine
    batch = quarantine.read_batch(name, settings)
    (row,) = quarantine.rows_of(batch, settings)
    assert (row.file, row.line, row.checks, row.row) == (str(file), 5, ("personal_data",), rows[4])
    assert (batch.target, batch.md5) == (TRAIN, outcome.md5)
    assert "somebody.else" not in outcome.model_dump_json()


def test_a_row_that_was_forgotten_does_not_come_back(settings, folder, take_in, monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_MLFLOW_URL", "http://127.0.0.1:9")
    take_in(folder)
    forget(Wish(("train-7",), "its author asks"), read_settings())
    drop(folder / "train" / "again.jsonl", [example("train-7"), example("train-7", id="numbered-anew"), example("new")])
    outcome = take_in(folder)
    assert (outcome.result.verdict, outcome.result.accepted, outcome.changes[TRAIN].added) == ("warn", 1, 1)
    assert not {"train-7", "numbered-anew"} & {row["id"] for row in read(settings.data / TRAIN)}


def test_an_archive_is_unpacked_and_its_files_go_where_their_names_say(settings, folder, take_in, tmp_path):
    with tarfile.open(folder.parent / "all.tar.gz", "w:gz") as archive:
        for path in sorted(folder.rglob("*.jsonl")):
            archive.add(path, path.relative_to(folder))
        archive.add(drop(tmp_path / "README.md", []), "README.md")
    outcome = take_in(folder.parent / "all.tar.gz")
    assert outcome.targets == {CORPUS: 20, TRAIN: 20, TEST: 20, "tasks/mine/validation.jsonl": 20}
    assert len(read(settings.data / TEST)) == 20


def test_data_that_somebody_put_there_by_hand_is_not_passed_over(settings, folder, take_in):
    drop(settings.data / TRAIN, [example("by hand")])
    with pytest.raises(Refused, match="scriptorium data commit"):
        take_in(folder)


def test_the_report_of_a_batch_is_kept_with_it_and_tells_what_is_other_than_before(settings, folder, take_in):
    first = take_in(folder)
    assert "This is the first of it in the data." in Path(first.report).read_text()
    later = [example(f"late-{n}", prompt=said(f"late {n}", 60), lang="de") for n in range(30)]
    file = drop(folder / "train" / "late.jsonl", later)
    outcome = take_in(folder)
    page = Path(outcome.report).read_text()
    assert Path(outcome.report) == Path(settings.artifacts) / "ingest" / "mine" / f"{outcome.id}.html"
    assert f"those of version {first.md5[:12]}" in page
    assert "In the data: 30 added, 0 replaced, 0 removed." in page
    assert "de 0.0% → 100.0%" in page
    assert str(file) in page


def test_what_a_refused_batch_held_is_reported_too(folder, take_in):
    take_in(folder)
    drop(folder / "train" / "bad.jsonl", [{"no": "row"}])
    page = Path(take_in(folder).report).read_text()
    assert "Refused: nothing of it may be used until it is mended" in page


def test_a_file_of_the_data_is_read_once_for_its_summary(settings, folder, take_in, monkeypatch):
    take_in(folder)
    monkeypatch.setattr(summaries, "summary_of", lambda *_: pytest.fail("the file was summed up when it was made"))
    for name in ("second", "third"):
        drop(folder / "train" / f"{name}.jsonl", [example(name)])
        page = Path(take_in(folder).report).read_text()
    assert "21 rows were there, 1 are compared with them" in page
