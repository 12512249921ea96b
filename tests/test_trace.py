"""Where a row is can be told: versions, runs that read them, candidates and champions; with MLflow away too."""

import json
import sys

import pytest

from pipelines import dossier as dossiers
from pipelines import ledger
from pipelines.add_rows import add_rows
from pipelines.artifact import read_json
from pipelines.check_gates import Evidence, artifacts_of, assemble
from pipelines.gates import judge
from pipelines.run import read_run
from pipelines.settings import ROOT, read_settings
from pipelines.trace import trace
from pipelines.tracked_trainings import Tracked
from pipelines.version_history import current
from pipelines.versions import Cause
from tests.command import scriptorium
from tests.evidence import finished_run
from tests.versioned_data import TRAIN, new_data, row, use, write

POEM = "The fog comes on little cat feet. It sits looking over harbor and city on silent haunches and then moves on."
CORPUS = "corpus/domain.jsonl"
MOOD = {"name": "mood", "data": {"corpus": CORPUS, "examples": "tasks/mood", "replay": {"corpus": "corpus/g.jsonl"}}}
WHY = Cause("the test adds", "ada")


@pytest.fixture
def settings(tmp_path, monkeypatch):
    use(monkeypatch, tmp_path)
    monkeypatch.setenv("SCRIPTORIUM_MLFLOW_URL", "http://127.0.0.1:9")
    new_data(tmp_path / "data")
    return read_settings()


def add(settings, *rows, file=TRAIN):
    return add_rows({file: write(settings.home / "accepted.jsonl", rows)}, "replace", WHY, settings)


def candidate(settings, md5, run_id, recipe=MOOD, **changes):
    """A judged run that read a version; returns its dossier."""
    run_uri, report = finished_run(settings, run_id, dataset_md5=md5, recipe=recipe, **changes)
    run = read_run(run_uri)
    evidence = Evidence(
        run_uri, run, artifacts_of(report, run, None, settings), read_json(ROOT / report / "report.json")
    )
    dossier = assemble(evidence, judge(run.recipe.gates, evidence.report), None, Tracked("mlflow-run", "7"), "")
    dossiers.write(dossier, settings)
    return dossier


def promote(settings, dossier, version):
    path = ledger.ledger_path(dossier.name, settings)
    facts = {"version": version, "digest": dossier.model.digest}
    ledger.append(path, "approved", dossier.sha256, {})
    ledger.append(path, "promoted", dossier.sha256, facts)


def test_a_row_is_found_in_each_version_that_holds_it_with_its_line(settings):
    old = current(settings).md5
    new = add(settings, row(7, POEM)).md5
    newest = add(settings, row(1, "other")).md5
    found = trace("row-7", settings)
    assert [(v.md5, v.current) for v in found.versions] == [(new, False), (newest, True)]
    (held,) = found.versions[0].files
    assert (held.file, [(r.line, r.id, r.how) for r in held.rows]) == (TRAIN, [(6, "row-7", "id")])
    assert old in found.searched
    assert trace("row-8", settings).versions == ()


@pytest.mark.parametrize(
    ("asked", "how"),
    [
        (POEM, "same text"),
        (POEM.upper().replace(". ", " \u200b!\n"), "same text"),
        (POEM.replace("harbor", "harbour"), "near text"),
    ],
)
def test_a_text_is_found_as_it_is_in_other_dress_and_nearly(settings, asked, how):
    add(settings, row(7, POEM), row(8, "Something else altogether, about ships and the sea they sail on."))
    found = trace(asked, settings)
    assert [(r.id, r.how) for version in found.versions for f in version.files for r in f.rows] == [("row-7", how)]
    assert POEM[:20] not in found.model_dump_json()


def test_texts_within_lists_and_answers_are_found_and_a_label_is_no_text(settings):
    dialog = {"id": "d-1", "lang": "en", "messages": [{"role": "user", "content": POEM}]}
    faq = {"id": "f-1", "lang": "en", "question": "Which poem?", "answer": POEM}
    add(settings, dialog, faq, file="tasks/talk/train.jsonl")
    (version,) = trace(POEM, settings).versions
    assert [r.id for r in version.files[0].rows] == ["d-1", "f-1"]
    assert trace("neutral", settings).versions == ()


def test_a_file_of_many_versions_is_read_once(settings, monkeypatch):
    for number in range(3):
        add(settings, {"id": f"c-{number + 2}", "text": "x", "lang": "en", "domain": "d"}, file=CORPUS)
    opened = []
    real = sys.modules["pipelines.row_search"]._chunks
    monkeypatch.setattr("pipelines.row_search._chunks", lambda file, *rest: opened.append(file) or real(file, *rest))
    assert len(trace("row-1", settings).versions) == 4
    assert sorted(file.name for file in opened) == [CORPUS] * 4 + [TRAIN]


def test_runs_candidates_and_champions_that_came_of_it_are_told(settings):
    old = current(settings).md5
    new = add(settings, row(7, POEM)).md5
    before, after = candidate(settings, old, "a"), candidate(settings, new, "b", seed=2)
    promote(settings, before, "1")
    assert trace("row-7", settings).retrain == ()
    promote(settings, after, "2")
    found = trace("row-7", settings)
    (reader,) = found.readers
    assert (reader.run, reader.version, [(r.use, r.learned) for r in reader.read]) == ("mood/b", new, [("train", True)])
    (made,) = reader.candidates
    assert (made.dossier, made.decision, made.version, made.champion) == (after.sha256, "approved", "2", True)
    assert found.retrain == ("mood",)
    both = {made.dossier: made.champion for r in trace("row-1", settings).readers for made in r.candidates}
    assert both == {before.sha256: False, after.sha256: True}


def test_a_recipe_that_reads_another_file_did_not_learn_from_it(settings):
    md5 = add(settings, row(7, POEM)).md5
    other = {"name": "news", "data": MOOD["data"] | {"examples": "tasks/news"}}
    promote(settings, candidate(settings, md5, "a", other), "1")
    found = trace("row-7", settings)
    assert [(reader.run, reader.read) for reader in found.readers] == [("news/a", ())]
    assert found.retrain == ()


@pytest.mark.parametrize(("split", "learned"), [("train", True), ("heldout", False)])
def test_a_row_held_out_of_the_corpus_was_measured_on_not_learned_from(settings, split, learned):
    text = {"id": "c-7", "text": POEM, "lang": "en", "domain": "poems", "split": split}
    md5 = add(settings, text, file=CORPUS).md5
    promote(settings, candidate(settings, md5, "a"), "1")
    found = trace("c-7", settings)
    assert [(r.use, r.learned) for r in found.readers[0].read] == [("corpus", learned)]
    assert found.retrain == (("mood",) if learned else ())


def test_a_model_that_answers_with_known_texts_holds_those_of_its_test_rows(settings):
    asked = {"id": "q-7", "question": "How does the fog come?", "answer": POEM, "lang": "en"}
    md5 = add(settings, asked, file="tasks/mood/test.jsonl").md5
    promote(settings, candidate(settings, md5, "a"), "1")
    assert trace("q-7", settings).retrain == ()
    finder = {"task": "retrieval", "gates": [{"metric": "mrr", "at_least": 0.1}]}
    promote(settings, candidate(settings, md5, "b", MOOD | finder), "2")
    assert trace("q-7", settings).retrain == ("mood",)


def test_a_model_made_from_a_model_that_learned_it_is_found_too(settings):
    old, md5 = current(settings).md5, add(settings, row(7, POEM)).md5
    first = candidate(settings, md5, "a")
    child = MOOD | {"name": "child", "base": {"model": f"{first.model.uri}/model"}}
    promote(settings, candidate(settings, old, "b", child, seed=2), "1")
    found = trace("row-7", settings)
    assert [(r.run, r.base) for r in found.readers] == [("mood/a", None), ("child/b", "mood/a")]
    assert found.retrain == ("child",)


def test_a_model_made_from_what_was_promoted_is_found_by_its_digest(settings):
    old, md5 = current(settings).md5, add(settings, row(7, POEM)).md5
    first = candidate(settings, md5, "a")
    base = {"model": "models:/mood/1", "artifact": first.model.digest}
    promote(settings, candidate(settings, old, "b", MOOD | {"name": "child", "base": base}, seed=2), "1")
    assert trace("row-7", settings).retrain == ("child",)


@pytest.mark.parametrize("way", ["there", "back"])
def test_a_model_whose_rows_were_translated_by_a_model_that_learned_it_is_found_too(way, capsys, settings):
    old, md5 = current(settings).md5, add(settings, row(7, POEM)).md5
    first = candidate(settings, md5, "a")
    chain = {"language": "zh", "there": {"model": "other"}, "back": {"model": "other"}}
    chain[way] = {"model": "models:/mood/1", "artifact": first.model.digest}
    pupil = MOOD | {"name": "pupil", "finetune": {"augment": {"back_translation": chain}}}
    promote(settings, candidate(settings, old, "b", pupil, seed=2), "1")
    found = trace("row-7", settings)
    told = [(r.run, r.base, r.translators) for r in found.readers]
    assert told == [("mood/a", None, ()), ("pupil/b", None, ("mood/a",))]
    assert found.retrain == ("pupil",)
    assert "rows were translated by the model of mood/a" in scriptorium(capsys, "data", "trace", "row-7").out
    assert trace("row-1", settings).retrain == ("pupil",), "once, though it read the row itself as well"


def test_that_mlflow_is_away_is_said_and_the_rest_is_told(settings):
    promote(settings, candidate(settings, add(settings, row(7, POEM)).md5, "a"), "1")
    found = trace("row-7", settings)
    assert any("MLflow does not answer" in gap for gap in found.gaps)
    assert (found.retrain, found.unread) == (("mood",), ())


def test_what_cannot_be_searched_is_named_and_ends_in_exit_code_1(capsys, settings):
    old = current(settings)
    add(settings, row(1, "other"))
    (settings.home / "dvc-remote" / "files" / "md5" / old.files[TRAIN][:2] / old.files[TRAIN][2:]).unlink()
    finished_run(settings, "lost", dataset_md5="0" * 32 + ".dir")
    found = trace("row-2", settings)
    assert [version.current for version in found.versions] == [True]
    assert set(found.unread) == {old.files[TRAIN], "0" * 32 + ".dir"}
    assert any("the DVC remote lacks" in gap for gap in found.gaps)
    done = scriptorium(capsys, "data", "trace", "row-2", "--json", code=1)
    assert json.loads(done.out)["versions"][0]["md5"] == current(settings).md5
    assert "could not be searched" in done.err


def test_a_run_of_older_code_that_cannot_be_read_is_named(settings):
    uri, _ = finished_run(settings, "old")
    (ROOT / uri / "run.json").write_text("{}")
    assert any("run.json" in gap for gap in trace("row-1", settings).gaps)
