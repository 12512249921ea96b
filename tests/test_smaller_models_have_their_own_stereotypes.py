"""A smaller model is judged by what it finds likelier itself: never by the number of the model it was made from."""

from pathlib import Path

import pytest

from pipelines.artifact import read_json
from pipelines.bias_files import read_pairs
from pipelines.errors import Refused
from pipelines.mirror import here
from tests.small_evaluation import settings as settings  # noqa: PLC0414 - the fixture
from tests.test_exported_models import report_of
from tests.toy_models import decoder, decoder_tokenizer, encoder_folder, written_by

pytestmark = pytest.mark.slow

GATES = [{"metric": "stereotype_rate", "at_most": 1.0}]
QUICK = {"batch_size": 4, "max_length": 32}


def original_of(settings, folder, task, student, **others):
    from pipelines.variants import Original

    found = {"student": str(student), "epochs": 1, "learning_rate": 3e-3}
    seen = {"bias": "pairs.jsonl"}
    run, report = report_of(settings, folder, GATES, task, evaluate=seen, distil=found, finetune=QUICK, **others)
    return Original(run.model_copy(update={"run_id": "distil"}), report, settings)


def small_writer(folder, family):
    from models import backbone

    tokenizer = decoder_tokenizer()
    model = decoder(len(tokenizer))
    if family == "bart":
        model, tokenizer = written_by("bart")
    backbone.save(model, tokenizer, folder)
    return folder


def rates(variants):
    return {row["variant"]: [gate["value"] for gate in row["gates"]] for row in variants}


def outcomes(variants):
    return {row["variant"]: [gate["outcome"] for gate in row["gates"]] for row in variants}


def rate_of(original, folder, load):
    """The share of pairs whose first sentence a model finds likelier, asked here."""
    from models.stereotypes import preferred

    pairs = [(row["more"], row["less"]) for row in read_pairs(here(original.inputs["dataset"]), "pairs.jsonl")]
    found = preferred(*load(folder), pairs)
    return pytest.approx(sum(found) / len(found))


@pytest.mark.usefixtures("fp32")
def test_a_student_that_writes_and_its_graphs_are_asked_themselves(settings, tmp_path):
    from models.exported import load_exported
    from models.writers import load_writer
    from pipelines import distilled, export

    original = original_of(settings, tmp_path, "generation", small_writer(tmp_path / "small", "decoder"))
    told = read_json(Path(original.report) / "report.json")["bias"]["rate"]["value"]
    found = rates(distilled.written(original, tmp_path / "out")["variants"])
    own = rate_of(original, tmp_path / "out" / "model", load_writer)
    assert found == {"teacher": [told], "student": [own]}
    assert found["student"] != [told], "the toy's student differs from its teacher, or this proves nothing"

    graphs = rates(export.written(original, original.student(), tmp_path / "onnx")["variants"])
    int8 = rate_of(original, tmp_path / "onnx" / "int8", load_exported)
    assert graphs == {"onnx": found["student"], "onnx int8": [int8]}


def test_what_cannot_be_asked_for_a_sentence_never_passes(settings, tmp_path):
    from pipelines import distilled, export

    (tmp_path / "labels").mkdir()
    original = original_of(settings, tmp_path / "labels", "classification", encoder_folder(tmp_path / "small"))
    assert outcomes(distilled.written(original, tmp_path / "out")["variants"]) == {
        "teacher": ["pass"],
        "student": ["error"],
    }
    graphs = export.written(original, original.inputs["tuned"], tmp_path / "onnx")["variants"]
    assert outcomes(graphs) == {"onnx": ["error"], "onnx int8": ["error"]}


def test_a_student_with_an_encoder_of_its_own_never_passes_either(settings, tmp_path):
    from pipelines import distilled

    original = original_of(settings, tmp_path, "generation", small_writer(tmp_path / "small", "bart"))
    found = outcomes(distilled.written(original, tmp_path / "out")["variants"])
    assert found == {"teacher": ["pass"], "student": ["error"]}


def test_an_encoder_decoder_is_not_asked_as_if_it_were_a_decoder(tmp_path):
    from pipelines.bias import asked
    from pipelines.recipe_file import load_recipe
    from pipelines.settings import ROOT

    recipe = load_recipe(ROOT / "pipelines" / "recipes" / "docs_writer.toml")
    with pytest.raises(Refused, match="masked or causal, and this one is neither"):
        asked(written_by("bart"), tmp_path, recipe)
