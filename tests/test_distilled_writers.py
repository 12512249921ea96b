"""A smaller writer learns what a larger one writes: to training prompts alone, once, through a kill, and is judged."""

import json
import tomllib
from pathlib import Path

import pytest

from models.tasks import TASKS
from pipelines.artifact import read_json, sha256_file, verify
from pipelines.errors import Refused
from pipelines.mirror import here
from pipelines.recipe_file import parse_recipe
from pipelines.run import read_run
from pipelines.settings import ROOT
from pipelines.steps import make
from tests.evidence import artifact
from tests.small_evaluation import base_of, dataset, frozen, model_files, rows_of
from tests.small_evaluation import settings as settings  # noqa: PLC0414 - the fixture
from tests.stopping import stopped_in_the_third_step
from tests.toy_models import TEXTS, decoder, decoder_tokenizer, encoder_folder, written_by

WRITER = ROOT / "pipelines" / "recipes" / "docs_writer.toml"
GATES = [{"metric": "bits_per_byte", "at_most": 100.0}, {"metric": "bits_per_byte", "at_most": 0.0}]


def student(folder, family):
    """A writer with fewer weights than the micro configurations: a decoder, or a BART."""
    from models import backbone

    tokenizer = decoder_tokenizer()
    model = decoder(len(tokenizer))
    if family == "bart":
        model, tokenizer = written_by("bart")
    backbone.save(model, tokenizer, folder)
    return folder


def trained(settings, folder, **distil):
    """A run, and the artifacts of a trained writer whose recipe has a student."""
    from models.backbone import save
    from models.scratch import scratch

    (folder / "writer").mkdir()
    save(*scratch("micro-decoder", TEXTS, 7), folder / "writer")
    files = model_files(folder / "writer", 3.0, 3.0)
    run = frozen(
        settings,
        task="generation",
        pretrain={"objective": "causal", "tokens": 1000},
        base={"model": {"scratch": "micro-decoder"}},
        finetune={"batch_size": 4, "max_length": 64},
        gates=GATES,
        distil={"epochs": 2, "learning_rate": 3e-3, "weight": 0.7, **distil},
    )
    made = {"dataset": artifact(settings, run, "dataset", {}, dataset(rows_of(TASKS["generation"])))}
    made["base"] = base_of(settings, run, made["dataset"], files)
    made["adapted"] = artifact(settings, run, "pretrain", made, files)
    made["tuned"] = artifact(settings, run, "finetune", {"dataset": made["dataset"], "model": made["adapted"]}, files)
    return run, made


def taught(run, made):
    return here(make("distil", run, {"dataset": made["dataset"], "teacher": made["tuned"]}))


def rows_in(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.slow
def test_a_student_that_writes_is_judged_by_its_own_texts_beside_its_teacher(settings, tmp_path):
    from pipelines.distilled import written
    from pipelines.variants import Original

    run, made = trained(settings, tmp_path, student=str(student(tmp_path / "small", "decoder")))
    named = read_run(run).model_copy(update={"run_id": "distil"})
    teacher = Original(named, make("evaluate", run, made), settings)
    large, small = written(teacher, tmp_path / "out")["variants"]
    report = read_json(Path(teacher.report) / "report.json")
    assert (large["agreement"], large["metrics"]["bits_per_byte"]) == (1, report["metrics"]["bits_per_byte"])
    assert small["parameters"] < large["parameters"]
    assert small["metrics"]["bits_per_byte"] != large["metrics"]["bits_per_byte"]
    for variant in (large, small):
        assert [gate["outcome"] for gate in variant["gates"]] == ["pass", "fail"]
        assert 0 < variant["ms_p50"] <= variant["ms_p95"]
    assert "model/model.safetensors" in verify(tmp_path / "out").files


@pytest.mark.slow
@pytest.mark.parametrize("family", ["decoder", "bart"])
def test_a_student_learns_what_its_teacher_writes_to_the_training_prompts_and_to_no_others(settings, tmp_path, family):
    from models.writers import load_writer

    run, made = trained(settings, tmp_path, student=str(student(tmp_path / "small", family)))
    kept = taught(run, made)
    told = rows_in(kept / "answers.jsonl")
    assert [row["id"] for row in told] == [row["id"] for row in rows_of(TASKS["generation"])("train")]
    assert [row["answer"] for row in told] == written_anew(made["tuned"])
    one, two = (row["validation"]["bits_per_byte"] for row in read_json(kept / "metrics.json")["epochs"])
    assert two < one
    assert load_writer(kept / "model")[0].config.is_encoder_decoder == (family == "bart")


def written_anew(tuned):
    from models.generate import generate
    from models.writers import load_writer

    task = TASKS["generation"]
    prompts = [task.asked(row) for row in rows_of(task)("train")]
    return generate(*load_writer(here(tuned) / "model"), prompts)


@pytest.mark.slow
def test_a_stopped_student_goes_on_to_the_same_weights_and_its_teacher_writes_once(settings, tmp_path, monkeypatch):
    from pipelines import kept_texts

    run, made = trained(settings, tmp_path, student=str(student(tmp_path / "small", "decoder")))
    with stopped_in_the_third_step(monkeypatch):
        taught(run, made)
    with monkeypatch.context() as patch:
        patch.setattr(kept_texts, "write_json", lambda *_: pytest.fail("what was written is written again"))
        stopped = taught(run, made)
    digest = sha256_file(stopped / "model" / "model.safetensors")
    stopped.rename(tmp_path / "stopped")
    again = taught(run, made)
    assert sha256_file(again / "model" / "model.safetensors") == digest


def test_each_epoch_has_one_answer_to_each_example_and_the_teachers_as_often_as_its_weight_says():
    from models.distillation import one_of_two
    from models.objectives import batches
    from models.schedule import Passes

    drawn = one_of_two(500, 0.7, 4, 3)
    assert all([n % 500 for n in epoch] == list(range(500)) for epoch in drawn)
    assert sum(n < 500 for epoch in drawn for n in epoch) / 2000 == pytest.approx(0.7, abs=0.03)
    assert drawn[0] != drawn[1]
    assert drawn == one_of_two(500, 0.7, 4, 3)
    assert one_of_two(5, 1.0, 1, 3) == [[0, 1, 2, 3, 4]]
    found = batches([n % 7 + 1 for n in range(1000)], Passes(8, 4, 1, drawn=drawn))
    assert [sorted(n for batch in epoch for n in batch) for epoch in found] == [sorted(epoch) for epoch in drawn]
    assert max(len(batch) for epoch in found for batch in epoch) == 8


def test_a_student_that_writes_nothing_is_refused(tmp_path):
    from pipelines.taught_texts import require_writer

    require_writer(student(tmp_path / "decoder", "decoder"))
    require_writer(student(tmp_path / "bart", "bart"))
    with pytest.raises(ValueError, match="writes no texts: it is an encoder; name a decoder or an encoder-decoder"):
        require_writer(encoder_folder(tmp_path / "encoder"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"temperature": 3.0}, "distil.temperature softens what is said of labels, and summarisation writes texts"),
        ({"corpus": 9}, "distil.corpus: texts of a corpus ask for no answer, and summarisation needs prompts"),
        ({"student": {"scratch": "micro-encoder"}}, "'micro-encoder', no writer of ours; did you mean 'micro-"),
    ],
)
def test_what_does_not_fit_a_writer_is_refused_when_the_recipe_is_read(changes, message):
    values = tomllib.loads(WRITER.read_text()) | {"task": "summarisation", "gates": []}
    parse_recipe(values | {"distil": {"student": {"scratch": "micro-encoder-decoder"}}}, "test")
    with pytest.raises(Refused) as refusal:
        parse_recipe(values | {"distil": {"student": "small"} | changes}, "test")
    assert message in str(refusal.value)
