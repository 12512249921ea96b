"""A decoder with a head labels texts and pairs: its last state stands for a text, whatever stands beside it."""

import pytest

from tests import toy_models
from tests.small_decoders import CHINESE, beginning, classifier, decoder_folder, likes
from tests.training_work import does

TEXTS = [("Deletes the key.",), ("",), ("Lists the alias of the cluster. " * 6,), ("Creates the queue.",)]
PAIRS = [(one, other) for (one,), (other,) in zip(TEXTS, [*TEXTS[1:], TEXTS[0]], strict=True)]


@pytest.mark.slow
@pytest.mark.usefixtures("fp32")
@pytest.mark.parametrize("made", [decoder_folder, beginning])
@pytest.mark.parametrize("rows", [TEXTS, PAIRS], ids=["texts", "pairs"])
def test_an_answer_depends_neither_on_neighbours_nor_on_what_fills_up(made, rows, tmp_path):
    import torch

    from models.encoding import encode_texts
    from models.packing import padded
    from models.predict import classify

    model, tokenizer = classifier(made(tmp_path), rows)
    together = classify(model, tokenizer, rows)
    for row, answer in zip(rows, together, strict=True):
        assert classify(model, tokenizer, [row])[0] == pytest.approx(answer, abs=1e-5)
    assert together[0] != pytest.approx(together[3], abs=1e-3)
    tokens = [{"input_ids": row["input_ids"]} for row in encode_texts(tokenizer, rows)]
    with torch.inference_mode():
        filled = [model(**padded(tokens, {"input_ids": token})).logits for token in (0, 7)]
    assert torch.allclose(*filled, atol=1e-5)


@pytest.mark.slow
@pytest.mark.usefixtures("fp32")
def test_what_is_read_is_the_state_of_the_end_of_each_text_even_of_one_that_is_cut(tmp_path):
    import torch

    model, tokenizer = classifier(decoder_folder(tmp_path), TEXTS)
    text = "Lists the alias of the cluster. " * 20
    ids = torch.tensor([tokenizer(text, truncation=True)["input_ids"]])
    assert ids.shape[1] == 64
    assert ids[0, -1] == tokenizer.eos_token_id
    with torch.inference_mode():
        states = model.encoder(input_ids=ids).last_hidden_state
        assert torch.allclose(
            model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits, model.head(states[:, -1]), atol=1e-5
        )


@pytest.mark.slow
def test_both_texts_of_a_pair_are_read_as_each_is_by_itself(tmp_path):
    from models.encoding import encode_texts
    from models.packing import padded
    from models.pair_head import NOTHING, separated

    for made in (decoder_folder, beginning):
        model, tokenizer = classifier(made(tmp_path / made.__name__), PAIRS)
        rows = [{"input_ids": row["input_ids"]} for row in encode_texts(tokenizer, PAIRS[:1])]
        batch = padded(rows, {"input_ids": tokenizer.pad_token_id})
        for column, tokens in enumerate(separated(batch["input_ids"], batch["attention_mask"], model.config)):
            found = [token for token in tokens[0].tolist() if token != NOTHING]
            assert found == tokenizer(PAIRS[0][column])["input_ids"]


@pytest.mark.slow
@pytest.mark.parametrize(("texts", "label"), [(toy_models.TEXTS, does), (CHINESE, likes)], ids=["en", "zh"])
def test_it_learns_is_saved_and_answers_when_served_as_it_did(texts, label, tmp_path):
    from models import backbone, objectives, serving, train
    from models.checkpoint import Checkpoints
    from models.predict import classify
    from models.schedule import Pace, Passes
    from models.tasks.labels import answer_of

    labels = sorted({label(text) for text in texts})
    model, tokenizer = classifier(decoder_folder(tmp_path / "base", texts), TEXTS, tuple(labels))
    known, asked = [text for n, text in enumerate(texts) if n % 5], texts[::5]
    plan = objectives.label_plan(
        tokenizer, [(text,) for text in known], [labels.index(label(text)) for text in known], Passes(8, 6, 1)
    )
    train.train(model, plan, Pace(5e-3), Checkpoints(tmp_path / "checkpoints"))
    backbone.save(model, tokenizer, tmp_path / "model")
    answers = [
        answer_of(found) for found in classify(*backbone.load_classifier(tmp_path / "model"), [(t,) for t in asked])
    ]
    right = [answer["prediction"] == label(text) for text, answer in zip(asked, answers, strict=True)]
    assert sum(right) / len(right) > 0.9
    assert serving.load(tmp_path / "model", "classification")([{"text": text} for text in asked]) == answers


@pytest.mark.slow
def test_its_onnx_files_answer_as_it_does(tmp_path, fp32):
    from models import onnx
    from models.exported import load_exported
    from models.predict import classify

    model, tokenizer = classifier(beginning(tmp_path / "base"), TEXTS)
    del model.eval().encoder.layers[1]
    onnx.export(model, tokenizer, tmp_path / "fp32")
    onnx.quantise(tmp_path / "fp32", tmp_path / "int8")
    wanted = classify(model, tokenizer, TEXTS)
    for folder, off in (("fp32", 1e-4), ("int8", 0.05)):
        for answer, right in zip(classify(*load_exported(tmp_path / folder), TEXTS), wanted, strict=True):
            assert answer == pytest.approx(right, abs=off)


@pytest.mark.slow
@pytest.mark.usefixtures("fp32")
@pytest.mark.parametrize("rows", [TEXTS, PAIRS], ids=["texts", "pairs"])
@pytest.mark.parametrize("made", [decoder_folder, beginning])
def test_its_answers_are_explained_and_the_words_add_up(made, rows, tmp_path):
    import math

    from models.explain import label_parts
    from models.predict import classify

    pair, asked = classifier(made(tmp_path), rows), rows[2]
    found = label_parts(*pair, asked, "yes")
    chance = classify(*pair, [asked])[0]["yes"]
    assert found["log_odds"] == pytest.approx(math.log(chance / (1 - chance)), abs=0.02)
    words = [part for text in found["texts"] for part in text if "gradients" in part]
    assert sum(part["gradients"] for part in words) == pytest.approx(found["log_odds"] - found["nothing"], abs=0.02)
    assert tuple("".join(part["text"] for part in text) for text in found["texts"]) == asked
