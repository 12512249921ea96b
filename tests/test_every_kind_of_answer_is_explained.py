"""Labels of many, found passages, words that were asked for, texts of encoder-decoders: each is explained as given."""

import math

import pytest

from models.prompt import Prompt
from models.tasks import TASKS
from pipelines.explanations import EXPLAINERS, explanations, unexplained
from tests import toy_models
from tests.test_answers_are_explained import words
from tests.toy_models import TEXTS, encoder_folder, written_by

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("fp32")]

TEXT = "Deletes the table of the account."
WORDS = {"read": "Lists", "write": "Deletes the"}
TEMPLATES = {
    "masked": ("{text} It {mask} of them.", ["text"]),
    "causal": ("The text: {text} It {mask}", ["text"]),
    "pair": ("{text_b}? {mask}, {text_a}", ["text_a", "text_b"]),
    "ends with the text": ("It is {text} {mask}", ["text"]),
}


def log_odds(chance: float) -> float:
    return math.log(chance / (1 - chance))


def louder(model):
    """Weights as if they had learned: new ones hardly tell one word from another."""
    import torch

    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(6)
    return model.eval()


def labeller(folder):
    """A classifier any number of whose labels may be true."""
    from models import backbone
    from models.predict import SEVERAL
    from models.threshold import write_threshold

    model, tokenizer = backbone.new_classifier(encoder_folder(folder / "encoder"), ["no", "unsure", "yes"], 3, 64, 1)
    model.config.problem_type = SEVERAL
    backbone.save(model.eval(), tokenizer, folder / "labels")
    write_threshold(0.5, folder / "labels")
    return folder / "labels"


def asked(folder, name):
    from models import backbone

    kind = "masked" if name in ("masked", "pair") else "causal"
    if kind == "causal":
        tokenizer = toy_models.decoder_tokenizer()
        backbone.save(toy_models.decoder(len(tokenizer)), tokenizer, folder)
    else:
        model, tokenizer, _ = backbone.masked_from_encoder(encoder_folder(folder / "encoder"), 1)
        backbone.save(model, tokenizer, folder)
    template, texts = TEMPLATES[name]
    model, tokenizer = backbone.prompted_classifier(folder, kind, (template, WORDS), texts, 60)
    return louder(model), tokenizer


def test_every_label_that_is_said_has_words_of_its_own(tmp_path):
    from models.backbone import load_classifier
    from models.predict import classify

    folder = labeller(tmp_path)
    chances = classify(*load_classifier(folder), [(TEXT,)])[0]
    explain = EXPLAINERS["labels"](TASKS["multi_label"], folder)
    said = {"prediction": ["no", "yes"], "probabilities": chances}
    found = explain({"text": TEXT, "labels": ["yes"]}, said)
    assert {one["about"] for one in found} == {"no", "yes"}
    assert [one["probability"] for one in found] == sorted((chances["no"], chances["yes"]), reverse=True)
    for one in found:
        assert one["log_odds"] == pytest.approx(log_odds(chances[one["about"]]), abs=0.02)
        assert sum(part["gradients"] for part in words(one)) == pytest.approx(
            one["log_odds"] - one["nothing"], abs=0.01
        )
        assert one["labels"] == ["yes"]
    (alone,) = explain({"text": TEXT}, {"prediction": [], "probabilities": chances})
    assert alone["about"] == max(chances, key=lambda label: chances[label])
    (own,) = {tuple(one["prediction"]) for one in explain({"text": TEXT}, None)}
    assert own == tuple(sorted(label for label, chance in chances.items() if chance >= 0.5))


def test_a_word_of_question_or_passage_is_worth_what_masking_it_by_hand_costs_the_cosine(tmp_path):
    from models.backbone import load_bi_encoder
    from models.explain import passage_parts
    from models.ranking import scorer, write_answers

    folder = encoder_folder(tmp_path)
    encoder, tokenizer = load_bi_encoder(folder)
    tokenizer.split_special_tokens = False  # masks are spelled below
    passage = "Creates the bucket of the region."
    found = passage_parts(encoder, tokenizer, TEXT, passage)

    def cosine(question, answer):
        return float(scorer(encoder, tokenizer, [answer])([question])[0][0])

    assert found["cosine"] == pytest.approx(cosine(TEXT, passage), abs=0.005)
    assert ["".join(part["text"] for part in text) for text in found["texts"]] == [TEXT, passage]
    for place, word in ((0, "account"), (1, "bucket")):
        masks = " ".join([tokenizer.mask_token] * len(tokenizer(word, add_special_tokens=False)["input_ids"]))
        pair = [TEXT, passage]
        pair[place] = pair[place].replace(word, masks)
        part = next(part for part in found["texts"][place] if part["text"] == word)
        assert part["occlusion"] == pytest.approx(cosine(TEXT, passage) - cosine(*pair), abs=0.004)
    write_answers([passage, TEXT], folder)
    (first,) = EXPLAINERS["passage"](TASKS["retrieval"], folder)({"question": TEXT}, None)
    assert (first["prediction"], first["cosine"]) == (TEXT, 1.0)


@pytest.mark.parametrize("name", TEMPLATES)
def test_words_around_which_a_template_stands_are_explained_and_the_template_is_not(name, tmp_path):
    from models.explain import label_parts
    from models.predict import classify

    model, tokenizer = asked(tmp_path, name)
    tokenizer.split_special_tokens = False  # masks are spelled below
    texts = (TEXT, "Lists the role of the user.")[: len(TEMPLATES[name][1])]
    found = label_parts(model, tokenizer, texts, "write")

    def odds(*texts):
        return log_odds(classify(model, tokenizer, [texts])[0]["write"])

    assert found["log_odds"] == pytest.approx(odds(*texts), abs=0.02)
    assert tuple("".join(part["text"] for part in text) for text in found["texts"]) == texts
    change = found["log_odds"] - found["nothing"]
    assert abs(change) > 0.001
    assert sum(part["gradients"] for part in words(found)) == pytest.approx(change, abs=0.01)
    nothing = tokenizer.mask_token or tokenizer.pad_token
    for place, word in enumerate(("table", "role")[: len(texts)]):
        # Behind a special token, as before the text, the tokenizer of a template puts a blank of its own.
        lead, after = ("", "") if tokenizer.mask_token else (" ", " ")
        pieces = tokenizer.backend_tokenizer.encode(word, add_special_tokens=False).ids
        less = list(texts)
        less[place] = texts[place].replace(lead + word + after, nothing * len(pieces))
        part = next(part for part in found["texts"][place] if part["text"] == word)
        assert part["occlusion"] == pytest.approx(odds(*texts) - odds(*less), abs=0.02)


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_a_word_hidden_from_both_halves_of_an_encoder_decoder_costs_what_is_said(family):
    import torch

    from models.encoder_decoder import encode_pair
    from models.explain import answer_parts
    from models.generate import completion_bits, reads

    model, tokenizer = written_by(family)
    answer = "the user."
    found = answer_parts(louder(model), tokenizer, Prompt(TEXT), answer)
    assert found["bits"] == pytest.approx(completion_bits(model, tokenizer, [TEXT], [answer])[0], rel=0.02)
    assert [part["text"] for part in words(found)] == ["Deletes", "the", "table", "of", "the", "account", "."]
    source, target = encode_pair(tokenizer, TEXT, answer, reads(model, tokenizer))
    start = next(n for n in range(len(source)) if tokenizer.decode(source[n:]).lstrip().startswith("table"))
    mask = torch.ones(1, len(source), dtype=torch.long)
    mask[0, start : start + len(tokenizer(" table", add_special_tokens=False)["input_ids"])] = 0
    with torch.no_grad():
        loss = model(torch.tensor([source]), attention_mask=mask, labels=torch.tensor([target])).loss
    bits = float(loss) * len(target) / math.log(2)
    part = next(part for part in words(found) if part["text"] == "table")
    assert part["hidden"] == pytest.approx(bits - found["bits"], abs=0.002)
    assert part["hidden"] != 0


def test_clicks_are_not_explained_and_the_reason_names_what_is():
    assert unexplained(TASKS["multi_label"]) is None
    assert "answers of the task recommendation are not explained, only those of classification" in unexplained(
        TASKS["recommendation"]
    )


def test_a_report_has_every_label_that_is_said_of_its_texts(tmp_path):
    from models.backbone import load_classifier
    from models.predict import classify
    from models.tasks.label_sets import judged

    folder = labeller(tmp_path)
    rows = [{"id": str(n), "text": text, "labels": ["no", "yes"]} for n, text in enumerate(TEXTS[:9])]
    predictions = judged(rows, classify(*load_classifier(folder), [(row["text"],) for row in rows]), 0.0)
    found = explanations(TASKS["multi_label"], folder, rows, predictions)
    assert {one["why"] for one in found} == {"worst mistake"}, "all say too much"
    assert [one["about"] for one in found if one["id"] == found[0]["id"]] == sorted(
        ["no", "unsure", "yes"], key=lambda label: -predictions[int(found[0]["id"])]["probabilities"][label]
    )
    assert len({one["id"] for one in found}) == 3
