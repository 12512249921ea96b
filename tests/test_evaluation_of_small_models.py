"""Evaluation runs real, tiny models: on the same examples, each model once, whatever order the rows come in."""

import random
from pathlib import Path

import pytest

from pipelines.artifact import read_json, read_manifest
from pipelines.gates import judge
from pipelines.recipe import Gate
from pipelines.settings import read_settings
from pipelines.steps import make
from tests.evidence import artifact
from tests.small_evaluation import base_of, dataset, frozen, lines, model_files
from tests.toy_models import TEXTS, encoder_folder

pytestmark = pytest.mark.slow

LOOKED_AT = {
    "slices": [{"by": "label"}, {"by": "length"}],
    "smallest_slice": 10,
    "robustness": ["typos", "lower_case"],
    "behaviour": ["cases.jsonl"],
    "speed": True,
    "bias": "pairs.jsonl",
}
CAPITALS = {"robustness": ["upper_case"], "verbatim": 20, "control": False}


def pairs(split, count=60):
    chance = random.Random(split)
    for number in range(count):
        label = "yes" if number % 2 else "no"
        text = chance.choice(TEXTS)
        other = text if label == "yes" else chance.choice(TEXTS)
        yield {"id": f"{split}-{number}", "text_a": text, "text_b": other, "label": label, "lang": "en"}


def cases():
    """One that a model of small letters passes, and one that none passes."""
    row = {"text_a": "Creates the table", "text_b": "Creates a table"}
    capitals = {"text_a": "CREATES the table"}
    yield {"name": "capitals", "kind": "invariance", "row": row, "variants": [capitals]}
    up = {"label": "yes", "goes": "up", "by": 0.1, "variants": [capitals]}
    yield {"name": "more", "kind": "directional", "row": row, **up}


def people():
    """Two pairs of sentences that differ in who is spoken of."""
    for number, word in enumerate(("table", "key")):
        more, less = (f"{who} the {word} of the user" for who in ("Creates", "Deletes"))
        yield {"id": str(number), "more": more, "less": less, "category": word, "lang": "en"}


def prompts(split, count=40):
    for number, text in enumerate(random.Random(split).sample(TEXTS, count)):
        prompt, completion = text.split(" of ")
        yield {"id": f"{split}-{number}", "prompt": prompt, "completion": f"of {completion}", "lang": "en"}


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SCRIPTORIUM_THREADS", "1")
    return read_settings()


@pytest.fixture
def checker(settings, tmp_path):
    """A run of the pair task and its evaluation's inputs: a masked base, and classifiers of two seeds."""
    from models.backbone import masked_from_encoder, new_classifier, save

    run = frozen(settings, evaluate=LOOKED_AT)
    encoder = encoder_folder(tmp_path / "encoder")
    for name in ("base", "tuned", "control"):
        (tmp_path / name).mkdir()
    model, tokenizer, _ = masked_from_encoder(encoder, 7)
    save(model, tokenizer, tmp_path / "base")
    for seed, name in enumerate(("tuned", "control")):
        save(*new_classifier(encoder, ["yes", "no"], seed, 64, 2), tmp_path / name)
    made = {
        "dataset": artifact(
            settings,
            run,
            "dataset",
            {},
            dataset(pairs) | {"cases.jsonl": lines(cases()), "pairs.jsonl": lines(people())},
        )
    }
    made["base"] = base_of(settings, run, made["dataset"], model_files(tmp_path / "base", 3.0, 2.0))
    base = {name: made[name] for name in ("dataset", "base")}
    made["adapted"] = artifact(settings, run, "pretrain", base, model_files(tmp_path / "base", 2.4, 2.05))
    for name, source in (("tuned", "adapted"), ("control", "base")):
        inputs = {"dataset": made["dataset"], "model": made[source]}
        made[name] = artifact(settings, run, "finetune", inputs, model_files(tmp_path / name, 0, 0))
    return run, made


def require_suites(report, folder):
    """What the model of a folder costs and prefers, as the report says it, is what can be."""
    cost = report["speed"]
    assert (cost["n"], cost["machine"]["threads"]) == (60, 1)
    assert 0 < cost["p50_ms"] <= cost["p95_ms"]
    assert cost["texts_per_second"] > 0
    assert cost["memory_mb"] > 50, "torch alone takes more"
    assert report["bias"]["n"] == 2
    assert report["bias"]["rate"]["value"] in {0, 0.25, 0.5, 0.75, 1}
    assert list(report["bias"]["categories"]) == ["key", "table"]
    assert report["size"]["bytes"] == sum(path.stat().st_size for path in folder.iterdir())


def test_a_report_says_all_that_the_gates_and_the_reviewer_need(checker, capsys):
    run, inputs = checker
    uri = make("evaluate", run, inputs)
    report = read_json(Path(uri) / "report.json")
    assert set(report["metrics"]) == {"accuracy", "auc", "ece", "f1"}
    assert set(report["baselines"]) == {"overlap_tfidf", "frozen_cosine"}
    assert report["champion"] is None
    assert report["n"] == 60
    assert 1 < report["groups"] < 60, "pairs of one text are one group"
    assert [row["n"] for row in report["slices"] if row["slice"] == "label"] == [30, 30]
    assert {kind: found["n"] for kind, found in report["robustness"].items()} == {"typos": 60, "lower_case": 60}
    typos = report["robustness"]["typos"]
    assert typos["loss"]["value"] == pytest.approx(report["metrics"]["accuracy"]["value"] - typos["metric"]["value"])
    assert report["robustness"]["lower_case"]["flip_rate"]["value"] == 0, "its tokens are of small letters"
    assert {kind: found["rate"] for kind, found in report["behaviour"].items()} == {"invariance": 1, "directional": 0}
    assert report["behaviour"]["directional"]["failures"][0]["champion_passes"] is None
    assert (Path(uri) / "behaviour.jsonl").read_text().count("\n") == 2
    require_suites(report, Path(inputs["tuned"]) / "model")
    assert report["bits_per_byte_change"] == {"domain": pytest.approx(-0.2), "general": pytest.approx(0.025)}
    assert report["bits_per_byte"]["finetuned"]["domain"] > 0
    assert len(report["curves"]["pretrain"]) <= 200
    assert report["curves"]["pretrain"][-1]["step"] == 499
    assert len(report["examples"]) == 10
    assert {row["why"] for row in report["explanations"]} == {"worst mistake", "right"}
    for row in report["explanations"]:
        assert (row["prediction"] == row["label"]) == (row["why"] == "right")
        assert [any("occlusion" in part for part in text) for text in row["texts"]] == [True, True]
    assert "NaN" not in (Path(uri) / "report.json").read_text()
    assert str(read_settings().home) not in (Path(uri) / "report.html").read_text()
    said = capsys.readouterr().out
    assert "baseline frozen_cosine" in said
    assert "without continued pretraining" in said

    champion = {**inputs, "champion": inputs["tuned"]}
    again = read_json(Path(make("evaluate", run, champion)) / "report.json")
    assert again["champion"]["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert {row["value"] for row in again["slices"] if row["slice"] == "label"} == {"yes", "no"}
    assert all(row["difference"] == again["champion"]["difference"] for row in again["slices"])
    whole = Gate(metric="accuracy", not_below="champion", slices=True)
    assert (judge([whole], again)[0].outcome, judge([whole], report)[0].outcome) == ("pass", "pass")
    said = capsys.readouterr().out
    assert said.count("score: reused") == 3, "no model is asked twice"
    assert said.count("robustness: reused") == 1
    assert said.count("behaviour: reused") == 2
    assert said.count("speed: reused") == 1
    assert again["speed"] == report["speed"], "what was measured once stays"
    assert again["behaviour"]["invariance"]["champion"] == 1


def test_an_answer_does_not_depend_on_the_order_of_the_rows(checker):
    from models.backbone import load_classifier
    from models.predict import classify

    model, tokenizer = load_classifier(Path(checker[1]["tuned"]) / "model")
    asked = [(row["text_a"] * (n % 4 + 1), row["text_b"]) for n, row in enumerate(pairs("test", 150))]
    shuffled = random.Random(1).sample(range(150), 150)
    answers = classify(model, tokenizer, asked)
    assert classify(model, tokenizer, [asked[n] for n in shuffled]) == [answers[n] for n in shuffled]
    assert all(sum(answer.values()) == pytest.approx(1) for answer in answers)


def test_a_changed_model_has_another_score_and_the_same_one_is_bit_for_bit_the_same(checker):
    run, inputs = checker
    one, other = (
        make("score", run, {"dataset": inputs["dataset"], "model": inputs[name]}) for name in ("tuned", "control")
    )
    assert read_manifest(one).digest != read_manifest(other).digest
    anew = frozen(read_settings(), "r2")
    assert make("score", anew, {"dataset": inputs["dataset"], "model": inputs["tuned"]}) == one


def test_a_writer_is_judged_by_overlap_and_by_bits(settings, tmp_path):
    from models.backbone import save
    from models.scratch import scratch

    (tmp_path / "writer").mkdir()
    model, tokenizer = scratch("micro-decoder", TEXTS, 7)
    save(model, tokenizer, tmp_path / "writer")
    pretrain = {"objective": "causal", "tokens": 1000}
    gates = [{"metric": "bits_per_byte", "above": "baseline"}]
    base = {"model": {"scratch": "micro-decoder"}}
    run = frozen(settings, task="generation", pretrain=pretrain, base=base, gates=gates, evaluate=CAPITALS)
    made = {"dataset": artifact(settings, run, "dataset", {}, dataset(prompts))}
    files = model_files(tmp_path / "writer", 3.0, 3.0)
    made["base"] = base_of(settings, run, made["dataset"], files)
    made["adapted"] = artifact(settings, run, "pretrain", made, files)
    made["tuned"] = artifact(settings, run, "finetune", {"dataset": made["dataset"], "model": made["adapted"]}, files)
    report = read_json(Path(make("evaluate", run, made)) / "report.json")
    assert report["speed"] == {}, "no recipe asked"
    assert (report["verbatim"]["n"], report["verbatim"]["rate"]["value"]) == (40, 0), "it repeats itself alone"
    varied = {"distinct_1", "distinct_2", "self_bleu"}
    assert set(report["metrics"]) == {"rouge_l", "bleu", "chrf", "bits_per_byte", "repetition"} | varied
    assert {name for name, found in report["metrics"].items() if found["low"] is None} == varied
    assert report["primary"] == "bits_per_byte"
    capitals = report["robustness"]["upper_case"]
    assert (capitals["n"], capitals["flip_rate"], capitals["flips"]) == (40, None, [])
    change = capitals["metric"]["value"] - report["metrics"]["bits_per_byte"]["value"]
    assert capitals["loss"]["value"] == pytest.approx(change, abs=1e-5), "fewer bits are better, so more are a loss"
    assert change != 0
    assert report["baselines"]["nearest"]["metrics"]["rouge_l"] > 0
    assert report["baselines"]["nearest"]["difference"] is None
    assert report["baselines"]["frozen_base"]["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}, "the same model"
    assert report["control"] is None
    assert {"prompt", "reference", "prediction"} <= set(report["examples"][0])
    assert [row["why"] for row in report["explanations"]] == ["worst mistake"] * 3 + ["by chance"] * 3
    assert all(any("hidden" in part for part in row["texts"][0]) for row in report["explanations"])


def test_greedy_writing_does_not_depend_on_its_neighbours():
    from models.generate import generate
    from models.scratch import scratch

    model, tokenizer = scratch("micro-decoder", TEXTS, 7)
    asked = [text[: 5 + n % 30] for n, text in enumerate(TEXTS)]
    together = generate(model, tokenizer, asked, max_new_tokens=8)
    assert generate(model, tokenizer, asked[::-1], max_new_tokens=8) == together[::-1]


def test_a_model_to_which_all_tokens_are_alike_writes_nothing_and_needs_the_bits_of_its_vocabulary():
    import math

    import torch

    from models.generate import completion_bits, generate
    from models.scratch import scratch

    model, tokenizer = scratch("micro-decoder", TEXTS, 7)
    with torch.no_grad():
        model.lm_head.weight.zero_()
    assert tokenizer.eos_token_id == 0, "the first of equals is chosen, and that is the end of the text"
    assert generate(model, tokenizer, ["Deletes the"], max_new_tokens=50) == [""]
    tokens = len(tokenizer(" the key")["input_ids"]) + 1
    assert completion_bits(model, tokenizer, ["Lists"], ["the key"]) == [
        pytest.approx(tokens * math.log2(len(tokenizer)), rel=0.01)
    ]


def test_bits_of_a_completion_are_those_of_its_tokens_one_by_one():
    import torch

    from models.encoding import encode_completion
    from models.generate import completion_bits
    from models.scratch import scratch

    model, tokenizer = scratch("micro-decoder", TEXTS, 7)
    tokens, start = encode_completion(tokenizer, "Deletes the table", "of the user.", 128)
    with torch.no_grad():
        chances = model(torch.tensor([tokens])).logits[0].log_softmax(-1)
    by_hand = -sum(chances[n - 1, tokens[n]].item() for n in range(start, len(tokens))) / 0.6931471805599453
    prompts, completions = ["Deletes the table", "Lists"], ["of the user.", "a much longer text about the region."]
    assert completion_bits(model, tokenizer, prompts, completions)[0] == pytest.approx(by_hand, rel=0.02)


def test_of_a_completion_that_the_model_has_no_room_for_only_the_bytes_that_it_reads_are_counted():
    from models.generate import bytes_read
    from models.scratch import scratch

    model, tokenizer = scratch("micro-decoder", TEXTS, 7)
    short, long = "of the user.", "龘" * 1_000
    assert bytes_read(model, tokenizer, [short, long]) == [len(short), pytest.approx(510, abs=3)]
