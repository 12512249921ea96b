"""An ONNX file answers as the model it was made from, whatever the number and length of the texts."""

import pytest

from pipelines import artifact
from tests import toy_models

pytestmark = pytest.mark.slow

PAIRS = [
    ("Deletes the key.", "Deletes"),
    ("Lists the alias of the cluster. " * 6, "Lists"),
    ("Creates the queue.", "Updates the role of the user. " * 20),
]


def test_both_files_answer_as_torch_does_and_int8_is_smaller(tmp_path, fp32):
    import onnx_ir

    from models import backbone, onnx, predict
    from models.exported import load_exported

    encoder = toy_models.encoder_folder(tmp_path / "encoder")
    model, tokenizer = backbone.new_classifier(encoder, ["a", "b", "c"], 1, 64, 2)
    del model.eval().encoder.encoder.layer[1]  # one is traced in half the time
    whole, small = tmp_path / "out" / "fp32", tmp_path / "out" / "int8"
    onnx.export(model, tokenizer, whole)
    onnx.quantise(whole, small)
    wanted = predict.classify(model, tokenizer, PAIRS)
    for folder, off in ((whole, 1e-4), (small, 0.05)):
        found = predict.classify(*load_exported(folder), PAIRS)
        for answer, right in zip(found, wanted, strict=True):
            assert answer == pytest.approx(right, abs=off)
        # Even in int8, whose activations are scaled by all that is read at once.
        alone = [predict.classify(*load_exported(folder), [pair])[0] for pair in PAIRS]
        assert alone == found
    assert (small / "model.onnx").stat().st_size < (whole / "model.onnx").stat().st_size
    weights = [value.const_value.nbytes for value in onnx_ir.load(whole / "model.onnx").graph.initializers.values()]
    assert sum(weights) < 1.1 * sum(parameter.nbytes for parameter in model.parameters()), (
        "the encoder stands there twice"
    )
    artifact.seal(tmp_path / "out", "export", {"model": "toy"}, {})
    named = {f"{kind}/{name}" for kind in ("fp32", "int8") for name in ("model.onnx", "config.json", "tokenizer.json")}
    assert named <= set(artifact.verify(tmp_path / "out").files)


def test_an_encoder_decoder_writes_what_torch_writes_with_what_it_keeps_of_each_token(tmp_path, fp32):
    import onnx_ir
    import torch
    from transformers import T5ForConditionalGeneration

    from models import onnx
    from models.exported import load_exported
    from models.generate import completion_bits, generate

    model, tokenizer = toy_models.written_by("t5")
    model.config.num_layers = model.config.num_decoder_layers = 1
    torch.manual_seed(5)
    model = T5ForConditionalGeneration(model.config).eval()
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(4)  # else it would write one token for ever, whatever it reads
    onnx.export(model, tokenizer, tmp_path / "fp32")
    onnx.quantise(tmp_path / "fp32", tmp_path / "int8")
    sources, answers = zip(*PAIRS, strict=True)
    written = generate(model, tokenizer, sources, max_new_tokens=12)
    assert len(set(written)) == len(PAIRS)
    wanted = completion_bits(model, tokenizer, sources, answers)
    for name, off in (("fp32", 1e-3), ("int8", 0.2)):
        exported = load_exported(tmp_path / name)
        found = generate(*exported, sources, max_new_tokens=12)
        assert found == [generate(*exported, [source], max_new_tokens=12)[0] for source in sources]
        assert completion_bits(*exported, sources, answers) == pytest.approx(wanted, rel=off)
        assert found == written or name == "int8"
        assert b"site-packages" not in (tmp_path / name / "decoder_model.onnx").read_bytes()
    small = onnx_ir.load(tmp_path / "int8" / "decoder_model.onnx").graph
    fed = [taken.producer() for node in small if node.op_type == "MatMul" for taken in node.inputs]
    assert "DequantizeLinear" not in {made.op_type for made in fed if made}, "the output layer is in fp32"


def test_what_no_graph_can_hold_is_refused_by_name(tmp_path, monkeypatch):
    from transformers import MambaConfig, MambaForCausalLM

    from models import onnx, virtual_tokens

    keeper = MambaForCausalLM(MambaConfig(vocab_size=8, hidden_size=8, num_hidden_layers=1, state_size=2))
    with pytest.raises(ValueError, match="a mamba cannot become ONNX files: it keeps something else of tokens"):
        onnx.export(keeper, None, tmp_path)
    decoder = toy_models.decoder(400)
    setattr(decoder.config, virtual_tokens.KEY, {"kind": "prompt", "shape": [4, 32]})
    with pytest.raises(ValueError, match="virtual tokens of a model that writes cannot become part of ONNX files"):
        onnx.export(decoder, None, tmp_path)
    monkeypatch.setattr(onnx, "LARGEST", 1000)
    with pytest.raises(ValueError, match=r"its weights are [\d,]+ bytes in fp32, and an ONNX file holds 1,000"):
        onnx.export(decoder, None, tmp_path)
