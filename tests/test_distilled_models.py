"""What is distilled is smaller, judged by the recipe's own gates, and goes on exactly where it was ended."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from pipelines.artifact import read_json, sha256_file, verify
from pipelines.dataset import current_md5
from pipelines.errors import Refused
from pipelines.mirror import here
from pipelines.recipe_file import parse_recipe
from pipelines.settings import ROOT
from tests.evidence import RECIPE
from tests.small_evaluation import settings as settings  # noqa: PLC0414 - the fixture
from tests.stopping import stopped_in_the_third_step
from tests.test_exported_models import report_of
from tests.toy_models import decoder, decoder_tokenizer, encoder_folder, written_by

GATES = [{"metric": "accuracy", "at_least": 0.0}, {"metric": "accuracy", "at_least": 1.1}]

TRAINED = """
name = "checker"
description = "Which verb does the text begin with?"
task = "classification"
seed = 7
gates = [{{ metric = "accuracy", at_least = 0.0 }}, {{ metric = "accuracy", at_least = 1.1 }}]
[data]
corpus = "corpus/domain.jsonl"
examples = "tasks/summary_check"
replay = {{ corpus = "corpus/general.jsonl" }}
[base]
model = {{ scratch = "micro-encoder" }}
[pretrain]
objective = "masked"
tokens = 1000
[distil]
student = "{student}"
epochs = 1
[evaluate]
control = false
[review]
reviewers = ["reviewer"]
"""


def distil(student, **others):
    return {"student": student, "epochs": 2, "learning_rate": 3e-3, **others}


@pytest.fixture
def teacher(settings, tmp_path):
    """A trained classifier whose recipe has a smaller student, which knows other tokens."""
    from pipelines.variants import Original

    found = distil(str(encoder_folder(tmp_path / "small")), corpus=30)
    run, report = report_of(settings, tmp_path, GATES, distil=found, finetune={"batch_size": 4, "max_length": 32})
    return Original(run.model_copy(update={"run_id": "distil"}), report, settings)


@pytest.mark.slow
@pytest.mark.usefixtures("fp32")
def test_a_student_is_judged_beside_its_teacher_and_sealed_and_becomes_onnx_files(teacher, tmp_path):
    from pipelines import export
    from pipelines.distilled import written

    found = written(teacher, tmp_path / "out")
    large, small = found["variants"]
    assert (large["variant"], small["variant"]) == ("teacher", "student")
    report = read_json(Path(teacher.report) / "report.json")
    assert large["metrics"]["accuracy"] == report["metrics"]["accuracy"]
    assert large["agreement"] == 1
    assert small["parameters"] < large["parameters"]
    assert small["bytes"] < large["bytes"]
    for variant in (large, small):
        assert [gate["outcome"] for gate in variant["gates"]] == ["pass", "fail"]
        assert 0 < variant["ms_p50"] <= variant["ms_p95"]
    names = set(verify(tmp_path / "out").files)
    assert {"model/model.safetensors", "model/tokenizer.json", "variants.json"} <= names
    exported = export.written(teacher, teacher.student(), tmp_path / "onnx")["variants"]
    assert exported[0]["metrics"] == small["metrics"]
    assert exported[0]["parameters"] == small["parameters"]
    assert exported[1]["bytes"] < exported[0]["bytes"]


@pytest.mark.slow
def test_the_command_follows_a_training_and_ends_with_10_when_a_gate_refuses(settings, tmp_path):
    text = TRAINED.format(student=encoder_folder(tmp_path / "small"))
    (tmp_path / "checker.toml").write_text(text)
    values = tomllib.loads(text)
    report_of(settings, tmp_path, **values, md5=current_md5())
    environ = {"SCRIPTORIUM_RECIPES": str(tmp_path), "SCRIPTORIUM_MLFLOW_URL": "http://127.0.0.1:9"}

    command = [sys.executable, "-m", "pipelines.cli", "distil", "checker", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environ, capture_output=True, text=True, check=False)
    assert done.returncode == 10, done.stderr
    told = json.loads(done.stdout)
    outcomes = {row["variant"]: [gate["outcome"] for gate in row["gates"]] for row in told["variants"]}
    assert outcomes == {"teacher": ["pass", "fail"], "student": ["pass", "fail"]}
    assert told["folder"] == str(settings.home / "distilled" / "checker")
    assert verify(Path(told["folder"])).files


@pytest.mark.slow
def test_a_stopped_student_goes_on_to_the_same_weights(teacher, settings, monkeypatch, tmp_path):
    from pipelines.steps import make

    inputs = {"dataset": teacher.inputs["dataset"], "teacher": teacher.inputs["tuned"]}
    with stopped_in_the_third_step(monkeypatch) as steps:
        make("distil", teacher.run_uri, inputs)
    stopped = here(make("distil", teacher.run_uri, inputs))
    digest = sha256_file(stopped / "model" / "model.safetensors")
    curve = [json.loads(line)["step"] for line in (stopped / "curve.jsonl").read_text().splitlines()]
    assert curve == list(range(1, len(steps) + 1))
    stopped.rename(tmp_path / "stopped")
    again = here(make("distil", teacher.run_uri, inputs))
    assert len(steps) == 2 * len(curve)
    assert sha256_file(again / "model" / "model.safetensors") == digest


@pytest.mark.slow
def test_a_student_no_smaller_than_its_teacher_is_refused(settings, tmp_path):
    from pipelines.distilled import written
    from pipelines.variants import Original

    found = distil({"scratch": "tiny-encoder"})
    run, report = report_of(settings, tmp_path, GATES, distil=found)
    with pytest.raises(Refused, match=r"distil.student has [\d,]+ parameters, no fewer than the [\d,]+ of its teacher"):
        written(Original(run, report, settings), tmp_path / "out")


def test_a_student_that_reads_and_writes_with_two_halves_is_refused(tmp_path):
    from models import backbone
    from pipelines.taught_labels import require_reader

    require_reader(encoder_folder(tmp_path / "encoder"))
    words = decoder_tokenizer()
    backbone.save(decoder(len(words)), words, tmp_path / "decoder")
    require_reader(tmp_path / "decoder")
    backbone.save(*written_by("t5"), tmp_path / "t5")
    with pytest.raises(ValueError, match="holds a t5, an encoder-decoder; name an encoder or a decoder"):
        require_reader(tmp_path / "t5")


def test_a_recipe_without_a_student_is_refused():
    from pipelines.student import require_section

    with pytest.raises(Refused, match=r"checker has no \[distil\], which says what the student is"):
        require_section(parse_recipe(tomllib.loads(RECIPE), "test"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"distil": distil("small", corpus=5)},
            "distil.corpus: texts of a corpus stand alone, and pair_classification",
        ),
        ({"distil": distil("models:/a@champion")}, "distil.student is 'models:/a@champion'; it takes hf://org/name"),
        (
            {"distil": distil({"scratch": "micro-encoder-decoder"})},
            "distil.student.scratch is 'micro-encoder-decoder', no encoder or decoder of ours",
        ),
        ({"distil": distil({"scratch": "micro-encoder"}, sha256="0" * 64)}, "distil.sha256 is the digest of a student"),
        ({"distil": distil("small", weight=0.0)}, "distil.weight: Input should be greater than 0"),
        ({"distil": distil("small", temperature=0.0)}, "distil.temperature: Input should be greater than 0"),
        (
            {"task": "retrieval", "gates": [], "distil": distil("small")},
            "distil teaches one label of several, or to write, and retrieval answers with neither; leave it out",
        ),
    ],
)
def test_what_does_not_fit_is_refused_when_the_recipe_is_read(changes, message):
    with pytest.raises(Refused) as refusal:
        parse_recipe(tomllib.loads(RECIPE) | changes, "test")
    assert message in str(refusal.value)
