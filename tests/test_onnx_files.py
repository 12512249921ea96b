"""An ONNX file answers as the model it was made from, whatever the number and length of the texts."""

import pytest

from pipelines import artifact
from tests import toy_models

pytestmark = pytest.mark.slow

TEXTS = [("Deletes the key.",), ("Lists the alias of the cluster. " * 6,), ("Creates the queue.",)]


def classifier(folder, texts):
    from models import backbone

    return backbone.new_classifier(toy_models.encoder_folder(folder / "encoder"), ["a", "b", "c"], 1, 64, texts)


def test_both_files_answer_as_torch_does_and_int8_is_smaller(tmp_path, monkeypatch):
    from models import onnx, precision, predict

    # Where torch gains by bf16 it would answer in it, and the files are compared with fp32.
    monkeypatch.setattr(precision, "gains_by_bf16", lambda _: False)
    model, tokenizer = classifier(tmp_path, 1)
    model.eval()
    out = tmp_path / "out"
    out.mkdir()
    onnx.export(model, tokenizer, out / "model.onnx")
    onnx.quantise(out / "model.onnx", out / "model.int8.onnx")
    wanted = predict.classify(model, tokenizer, TEXTS)
    for file, off in (("model.onnx", 1e-4), ("model.int8.onnx", 0.05)):
        answers, took = onnx.classify(out / file, model, tokenizer, TEXTS)
        assert len(took) == len(TEXTS)
        for answer, right in zip(answers, wanted, strict=True):
            assert answer == pytest.approx(right, abs=off)
    assert (out / "model.int8.onnx").stat().st_size < (out / "model.onnx").stat().st_size
    artifact.seal(out, "export", {"model": "toy"}, {})
    assert set(artifact.verify(out).files) == {"model.onnx", "model.int8.onnx"}


def test_a_classifier_of_pairs_is_refused_by_name(tmp_path):
    from models import onnx

    with pytest.raises(ValueError, match="PairClassifier cannot become an ONNX file"):
        onnx.export(*classifier(tmp_path, 2), tmp_path / "model.onnx")
