"""A language model is asked for the word of each label: before it learned anything, and after it learned from few."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.artifact import read_json
from pipelines.errors import Refused
from pipelines.recipe_file import load_recipe
from pipelines.run import new_run
from pipelines.settings import ROOT
from pipelines.steps import Work
from tests import toy_models
from tests.toy_models import TEXTS
from tests.training_work import does, labelled, work_of, write_splits

RECIPE = ROOT / "pipelines" / "recipes" / "summary_checker.toml"
WORDS = {"read": "Lists", "write": "Deletes the"}
METHODS = ("full", "head", "lora", "dora", "adalora", "ia3", "bottleneck")
EVERY = [
    *(("masked", method) for method in (*METHODS, "prefix", "prompt")),
    *(("causal", method) for method in METHODS),
]
TEMPLATE = {"masked": "{text} It {mask} of them.", "causal": "The text: {text} It {mask}"}
FEW = {
    "task": "classification",
    "gates": [],
    "finetune.max_length": 40,
    "finetune.batch_size": 4,
}


def language_model(folder: Path, kind: str) -> Path:
    """A toy decoder, or a toy encoder with a masked language-model head."""
    from models import backbone

    if kind == "causal":
        tokenizer = toy_models.decoder_tokenizer()
        backbone.save(toy_models.decoder(len(tokenizer)), tokenizer, folder)
    else:
        model, tokenizer, _ = backbone.masked_from_encoder(toy_models.encoder_folder(folder.with_name("encoder")), 1)
        backbone.save(model, tokenizer, folder)
    return folder


def work(folder: Path, kind: str, **changes: object) -> Work:
    asked = {"pretrain.objective": kind, "finetune.prompt": {"template": TEMPLATE[kind], "words": WORDS}}
    recipe = load_recipe(RECIPE, FEW | asked | {f"finetune.{key}": value for key, value in changes.items()})
    splits = {"train": labelled(TEXTS[::3]), "validation": labelled(TEXTS[1::3])}
    write_splits(folder / "dataset" / recipe.data.examples, **splits)
    language_model(folder / "base" / "model", kind)
    return work_of(recipe, folder, {"dataset": folder / "dataset", "model": folder / "base"})


def tokenizers() -> dict[str, object]:
    from models.scratch import encoder_tokenizer

    return {
        "word pieces": toy_models.word_pieces(TEXTS),
        "bytes, encoder": encoder_tokenizer(TEXTS, 400, 64),
        "bytes, decoder": toy_models.decoder_tokenizer(),
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["word pieces", "bytes, encoder", "bytes, decoder"])
def test_a_prompt_is_written_in_the_tokens_that_the_same_text_has_elsewhere(kind: str, tmp_path: Path):
    from models.tokenizer import load_tokenizer
    from models.verbaliser import asking

    tokenizer = tokenizers()[kind]
    masks = 0 if kind == "bytes, decoder" else 2
    template = "The text: {text} It {mask}" + (" of them." if masks else "")
    asking(tokenizer, template, ["text"], masks, 60).save_pretrained(tmp_path)
    mask = (tokenizer.mask_token or "") * 2
    written = template.format(text="Lists the role of the user.", mask="{}").rsplit(" {}", 1)
    expected = tokenizer(mask.join(written), split_special_tokens=False)["input_ids"]
    assert load_tokenizer(tmp_path)("Lists the role of the user.")["input_ids"] == expected


@pytest.mark.slow
def test_a_pair_stands_in_the_template_in_any_order():
    from models.verbaliser import asking

    tokenizer = tokenizers()["word pieces"]
    asked = asking(tokenizer, "{text_b}? {mask}, {text_a}", ["text_a", "text_b"], 1, 60)("Lists", "the role")
    assert asked["input_ids"] == tokenizer("the role? [MASK], Lists")["input_ids"]
    assert [n for n, mark in enumerate(asked["token_type_ids"]) if mark] == [
        asked["input_ids"].index(tokenizer.mask_token_id)
    ]


@pytest.mark.slow
def test_a_text_that_is_too_long_is_cut_and_the_template_never():
    from models.encoding import encode_texts
    from models.verbaliser import asking

    tokenizer = tokenizers()["bytes, encoder"]
    asked = asking(tokenizer, TEMPLATE["masked"], ["text"], 3, 30)
    (row,) = encode_texts(asked, [("Lists the role of the user. " * 9,)])
    assert len(row["input_ids"]) == 30
    assert asked.decode(row["input_ids"]).endswith(" It<mask><mask><mask> of them.</s>")
    assert [token for token, mark in zip(row["input_ids"], row["token_type_ids"], strict=True) if mark] == [
        tokenizer.mask_token_id
    ] * 3
    with pytest.raises(ValueError, match=r"the template takes \d+ of 16 tokens"):
        asking(tokenizer, TEMPLATE["masked"], ["text"], 3, 16)


def gpt2(vocabulary: int) -> object:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(5)
    return GPT2LMHeadModel(GPT2Config(vocab_size=vocabulary, n_embd=32, n_layer=2, n_head=2, n_positions=128)).eval()


@pytest.mark.slow
@pytest.mark.parametrize("build", [toy_models.decoder, gpt2])
def test_words_that_are_read_together_are_as_likely_as_each_is_alone(build, tmp_path: Path):
    import torch

    from models import backbone
    from models.encoding import encode_texts

    words = {"a": "Lists", "b": "Deletes the alias", "c": "Deletes the role of", "d": "user"}
    tokenizer = toy_models.decoder_tokenizer()
    backbone.save(plain := build(len(tokenizer)), tokenizer, tmp_path)
    model, asking = backbone.prompted_classifier(tmp_path, "causal", (TEMPLATE["causal"], words), ["text"], 60)
    texts = [("Lists the role of the user. " * 9,), ("x",), ("Updates the queue.",)]
    encoded = encode_texts(asking, texts)
    with torch.inference_mode():
        together = model(**asking.pad(encoded, return_tensors="pt")).logits
    for prompt, answer in zip((row["input_ids"] for row in encoded), together, strict=True):
        for word, score in zip(words.values(), answer, strict=True):
            tokens = tokenizer(" " + word, add_special_tokens=False)["input_ids"]
            with torch.inference_mode():
                chances = plain(torch.tensor([prompt + tokens])).logits.float().log_softmax(-1)[0]
            alone = sum(chances[len(prompt) - 1 + n, t] for n, t in enumerate(tokens)) / len(tokens)
            assert score.item() == pytest.approx(float(alone), abs=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "pace"),
    [
        ("masked", {"epochs": 20, "batch_size": 8, "learning_rate": 3e-3}),
        ("causal", {"epochs": 10, "batch_size": 8, "learning_rate": 1e-2}),
    ],
)
def test_forty_texts_make_a_classifier_that_loads_as_any_other(kind: str, pace: dict[str, object], tmp_path: Path):
    from models import backbone
    from models.predict import classify
    from pipelines.finetune import finetune

    made = work(tmp_path, kind, **pace)
    finetune(made)
    answers = classify(*backbone.load_classifier(made.out / "model"), [(text,) for text in TEXTS[1::3]])
    right = [max(a, key=lambda name: a[name]) == does(t) for a, t in zip(answers, TEXTS[1::3], strict=True)]
    metrics = read_json(made.out / "metrics.json")
    kept = metrics["epochs"][metrics["best_epoch"] - 1]["validation"]
    assert sum(right) / len(right) == pytest.approx(kept["accuracy"], abs=1e-6)
    assert max(epoch["validation"]["auc"] for epoch in metrics["epochs"]) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "method"), EVERY)
def test_every_method_learns_beside_a_prompt_and_is_saved_with_it(kind: str, method: str, tmp_path: Path):

    from models import backbone, methods
    from models.encoding import encode_texts
    from models.predict import classify

    folder = language_model(tmp_path / "base", kind)
    model, tokenizer = backbone.prompted_classifier(folder, kind, (TEMPLATE[kind], WORDS), ["text"], 40)
    model = methods.METHODS[method](model, 4, 20)
    texts = [(text,) for text in TEXTS[:4]]
    batch = tokenizer.pad(encode_texts(tokenizer, texts), return_tensors="pt")
    learning = [p for p in model.parameters() if p.requires_grad]
    model(**batch).logits[:, 0].sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in learning)
    plain = methods.merged(model)
    backbone.save(plain, tokenizer, tmp_path / "model")
    again = classify(*backbone.load_classifier(tmp_path / "model"), texts)
    for ours, theirs in zip(classify(plain.eval(), tokenizer, texts), again, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["masked", "causal"])
def test_what_learned_nothing_is_saved_as_the_language_model_that_it_was(kind: str, tmp_path: Path):
    import torch

    from models import backbone
    from pipelines.finetune import finetune

    made = work(tmp_path, kind, epochs=0)
    finetune(made)
    load = backbone.load_masked if kind == "masked" else backbone.load_causal
    (was, _), (is_now, _) = load(made.inputs["model"] / "model"), load(made.out / "model")
    assert was.state_dict().keys() == is_now.state_dict().keys()
    assert all(torch.equal(tensor, is_now.state_dict()[name]) for name, tensor in was.state_dict().items())
    assert read_json(made.out / "metrics.json")["epochs"] == []
    assert set(backbone.load_classifier(made.out / "model")[0].config.id2label.values()) == set(WORDS)
    with pytest.raises(ValueError, match="take its own base"):
        backbone.require_no_template(made.out / "model")


@pytest.mark.slow
def test_a_label_without_a_word_and_a_word_that_cannot_be_written_are_refused(tmp_path: Path):
    from pipelines.finetune import finetune

    made = work(tmp_path, "masked", prompt={"template": TEMPLATE["masked"], "words": {"read": "Lists", "no": "queue"}})
    with pytest.raises(Refused, match=r"finetune.prompt.words has no word for the label 'write' of tasks/.*add one"):
        finetune(made)
    for words, problem in (
        ({"read": "Lists", "write": "書"}, "cannot write '書', the word of 'write'"),
        ({"read": "lists", "write": "Lists"}, "'lists' and 'Lists' are the same word"),
    ):
        recipe = load_recipe(RECIPE, FEW | {"finetune.prompt": {"template": TEMPLATE["masked"], "words": words}})
        with pytest.raises(Refused, match=problem):
            finetune(replace(made, run=new_run(recipe, "test", "0" * 32, "tester")))


@pytest.mark.slow
def test_an_encoder_that_is_asked_becomes_an_onnx_file_and_a_decoder_does_not(tmp_path: Path):
    from models import onnx
    from models.backbone import prompted_classifier
    from models.exported import load_exported
    from models.predict import classify

    texts = [("Lists the role of the user. " * 9,), ("x",), ("Updates the queue.",)]
    folder = language_model(tmp_path / "masked", "masked")
    model, tokenizer = prompted_classifier(folder, "masked", (TEMPLATE["masked"], WORDS), ["text"], 40)
    onnx.export(model, tokenizer, tmp_path / "onnx")
    answers = classify(*load_exported(tmp_path / "onnx"), texts)
    for theirs, ours in zip(answers, classify(model, tokenizer, texts), strict=True):
        assert theirs == pytest.approx(ours, abs=1e-2)
    folder = language_model(tmp_path / "causal", "causal")
    model, tokenizer = prompted_classifier(folder, "causal", (TEMPLATE["causal"], WORDS), ["text"], 40)
    with pytest.raises(ValueError, match="a LlamaForCausalLM that is asked for words cannot become an ONNX file"):
        onnx.export(model, tokenizer, tmp_path / "other")


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{text} It was so.", r"template needs {text} and {mask}, each once; it has text"),
        ("{text} {mask} {mask}", r"template needs {text} and {mask}, each once"),
        ("{text_a} {mask}", r"template needs {text} and {mask}, each once; it has text_a, mask"),
        ("{text} {mask", r"finetune.prompt.template: .*written twice"),
        ("{text:>9} {mask}", r"'text' has a format"),
    ],
)
def test_a_template_that_cannot_be_filled_is_refused_with_its_cure(template: str, problem: str):
    with pytest.raises(Refused, match=problem):
        load_recipe(RECIPE, FEW | {"finetune.prompt": {"template": template, "words": WORDS}})


GOOD = {"template": TEMPLATE["masked"], "words": WORDS}


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"finetune.contrastive": 3}, "leave one of them out"),
        ({"finetune.epochs": 0, "finetune.method": "lora"}, "finetune.method is 'lora', and .* nothing learns"),
        ({"finetune.epochs": 0, "finetune.dropout": 0.1}, "finetune.dropout is 0.1, and .* nothing learns"),
        ({"pretrain.objective": "causal"}, r"goes on after {mask}.*let it end there"),
        ({"pretrain.objective": "causal", "finetune.method": "prefix"}, "virtual tokens a decoder .* does not see"),
        ({"data.labels": ["read", "write", "other"]}, "finetune.prompt.words lacks 'other'"),
        ({"finetune.prompt": {**GOOD, "words": {"a": "good", "b": "good"}}}, "each label needs a word of its own"),
        ({"finetune.prompt": {**GOOD, "words": {"a": "good"}}}, "at least 2"),
        ({"task": "retrieval"}, "finetune.prompt is for tasks that answer with a label"),
        ({"finetune.prompt": None, "finetune.epochs": 0}, "only finetune.prompt answers untrained"),
    ],
)
def test_what_does_not_go_with_a_prompt_is_refused_before_anything_runs(changes: dict[str, object], problem: str):
    with pytest.raises(Refused, match=problem):
        load_recipe(RECIPE, FEW | {"finetune.prompt": GOOD} | changes)


def test_a_search_may_not_leave_out_the_training(tmp_path: Path):
    search = {"space": {"finetune.epochs": [0, 1]}}
    with pytest.raises(Refused, match="what is not trained is not validated"):
        load_recipe(RECIPE, FEW | {"finetune.prompt": GOOD, "search": search})
