"""Texts that repeat training are counted, and how often a language model finds a stereotype likelier."""

import json
import random
import tomllib

import pytest

from models.tasks import TASKS
from models.verbatim import copied
from pipelines.bias import measured as preferences
from pipelines.bias_files import read_pairs
from pipelines.comparison import Comparison
from pipelines.errors import Refused
from pipelines.gates import judge, metric_value
from pipelines.packet_suites import bias as told_bias
from pipelines.packet_suites import verbatim as told_copies
from pipelines.recipe import Gate
from pipelines.recipe_file import parse_recipe
from pipelines.report import render_report
from pipelines.verbatim_report import measured
from tests.evidence import RECIPE
from tests.test_report_can_be_read_offline import report as whole_report

LEARNED = "The quick brown fox jumps over the lazy dog and runs into the wood behind the old mill."
RUN = LEARNED[9:39]


def by_hand(answer, target, run):
    return any(answer[n : n + run] in target for n in range(len(answer) - run + 1))


def test_a_run_is_found_wherever_it_stands_and_whatever_its_length():
    chance = random.Random(7)
    for _ in range(300):
        run, start = chance.randint(20, 40), chance.randint(0, 60)
        piece = LEARNED[start : start + chance.randint(10, 50)]
        answer = f"{'xy' * chance.randint(0, 12)}{piece}{'zq' * chance.randint(0, 12)}".strip()
        found = copied([answer], [""], [LEARNED], run)[0]
        assert bool(found) == by_hand(answer, LEARNED, run), (answer, run)
        assert not found or (len(found) >= run and found in answer and found in LEARNED)


def test_what_the_prompt_has_is_no_memory_and_white_space_makes_no_difference():
    answer = f"so{RUN}"
    assert copied([answer], ["something else"], [LEARNED], 25) == [RUN]
    assert copied([answer], [f"asked: {LEARNED}"], [LEARNED], 25) == [""]
    assert copied([answer.replace(" ", "\n ")], [""], [LEARNED.replace(" ", "  ")], 25) == [RUN]
    whole = [f"{LEARNED[:60]} and more"]
    assert copied(whole, [LEARNED[:35]], [LEARNED], 25)[0].startswith(LEARNED[:60]), "most of it was not in the prompt"
    assert copied(["short"], [""], [LEARNED, "short"], 20) == [""]
    assert copied([], [], [LEARNED], 20) == []


def test_chinese_is_counted_in_characters_too():
    text = "商户应当在收到通知之日起七日内办理退货手续并退还货款"
    assert copied([f"\u7b54{text[:22]}"], [""], [text], 20) == [text[:22]]


@pytest.fixture(scope="module")
def copies():
    """Of 40 answers ten repeat the training, of the texts that people wrote four."""
    task = TASKS["generation"]
    rows = [
        {"id": f"r{n}", "prompt": f"tell {n}", "completion": f"{RUN} <i>" if n < 4 else "nothing of it"}
        for n in range(40)
    ]
    answers = [{"id": f"r{n}", "prediction": f"{RUN} <b>" if n < 10 else "something else"} for n in range(40)]
    return measured(Comparison(task, rows, 7), answers, [LEARNED + " <b>", f"x {RUN} <b>"], 25)


def test_the_share_of_copies_stands_beside_that_of_the_texts_that_people_wrote(copies):
    assert (copies["n"], copies["rate"]["value"], copies["references"]["value"]) == (40, 0.25, 0.1)
    assert copies["rate"]["low"] < 0.25 < copies["rate"]["high"]
    assert [one["id"] for one in copies["copies"]] == [f"r{n}" for n in range(5)]
    page = render_report(whole_report() | {"verbatim": copies})
    assert "repeat 25 characters or more" in page
    assert "Copied from training" not in render_report(whole_report())
    assert "0.2500 (" in told_copies({"verbatim": copies})
    assert "| r0 |" in told_copies({"verbatim": copies})


PAIR = {"id": "1", "more": "She cooks.", "less": "He cooks.", "category": "gender", "lang": "en"}


def test_preferences_are_counted_by_kind_and_undecided_ones_by_half():
    rows = [PAIR | {"category": kind} for kind in ("age", "gender", "gender", "gender")]
    found = preferences(rows, [1.0, 1.0, 0.5, 0.0], 7)
    assert (found["n"], found["rate"]["value"]) == (4, 0.625)
    assert {kind: part["rate"]["value"] for kind, part in found["categories"].items()} == {"age": 1.0, "gender": 0.5}
    page = render_report(whole_report() | {"bias": found})
    assert "<h2>Stereotypes</h2>" in page
    assert "<b>0.625</b>" in page
    assert "| gender | 3 | 0.5000 (" in told_bias({"bias": found})


def test_gates_limit_copies_and_stereotypes_and_what_is_missing_never_passes(copies):
    report = {"metrics": {}, "verbatim": copies, "bias": preferences([PAIR], [1.0], 7)}
    gates = [Gate(metric="verbatim_rate", at_most=0.3), Gate(metric="stereotype_rate", at_most=0.6)]
    assert [verdict.outcome for verdict in judge(gates, report)] == ["pass", "fail"]
    assert [verdict.outcome for verdict in judge(gates, {"metrics": {}, "bias": {}})] == ["error", "error"]
    assert metric_value("verbatim_rate", {"metrics": {}}) is None


def test_mlflow_gets_each_number_of_a_suite_that_a_gate_may_limit():
    from pipelines.tracking import _points

    rate = {"rate": {"value": 0.25}}
    report = {"metrics": {}, "size": {"bytes": 9}, "verbatim": rate, "toxicity": rate, "bias": rate}
    rates = dict.fromkeys(("verbatim_rate", "toxicity_rate", "stereotype_rate"), 0.25)
    assert {point.key: point.value for point in _points(report, 0)} == {"size_bytes": 9} | rates


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not JSON"),
        (json.dumps({k: v for k, v in PAIR.items() if k != "less"}), "line 2: column 'less' is missing"),
        (json.dumps(PAIR | {"more": 3}), "line 2: column 'more' is a whole number"),
    ],
)
def test_a_row_that_is_no_pair_is_refused_with_file_and_line(tmp_path, line, message):
    (tmp_path / "pairs.jsonl").write_text(f"{json.dumps(PAIR)}\n{line}\n")
    with pytest.raises(Refused) as refusal:
        read_pairs(tmp_path, "pairs.jsonl")
    assert f"{tmp_path}/pairs.jsonl, {message}" in str(refusal.value)


def test_a_file_of_pairs_must_be_there_and_hold_some(tmp_path):
    with pytest.raises(Refused, match=r"data/ has no pairs.jsonl; put it there"):
        read_pairs(tmp_path, "pairs.jsonl")
    (tmp_path / "pairs.jsonl").write_text("\n")
    with pytest.raises(Refused, match="has no pairs; add some"):
        read_pairs(tmp_path, "pairs.jsonl")


@pytest.mark.parametrize(
    ("task", "objective", "evaluate", "gate", "message"),
    [
        ("classification", "masked", {"verbatim": 50}, {}, "evaluate.verbatim is for tasks that write"),
        ("generation", "causal", {"verbatim": 5}, {}, "evaluate.verbatim: Input should be greater than or equal to 20"),
        ("generation", "denoising", {"bias": "pairs.jsonl"}, {}, "evaluate.bias compares sentences by models that are"),
        ("generation", "causal", {}, {"metric": "verbatim_rate", "at_most": 0.1}, "needs evaluate.verbatim"),
        ("classification", "masked", {"toxicity": True}, {}, "evaluate.toxicity is for tasks that write"),
        (
            "generation",
            "causal",
            {"toxicity": True},
            {},
            "evaluate.toxicity asks the classifier of validation.toxicity",
        ),
        ("generation", "causal", {}, {"metric": "toxicity_rate", "at_most": 0.1}, "needs evaluate.toxicity = true"),
        ("generation", "causal", {}, {"metric": "stereotype_rate", "at_most": 0.6}, "needs evaluate.bias"),
        ("classification", "masked", {}, {"metric": "verbatim_rate", "at_most": 0.1}, "classification has no metric"),
        ("generation", "causal", {"verbatim": 50}, {"metric": "verbatim_rate", "at_least": 0.1}, "it takes at_most"),
    ],
)
def test_a_recipe_that_asks_for_what_cannot_be_is_refused(task, objective, evaluate, gate, message):
    values = tomllib.loads(RECIPE) | {"task": task, "evaluate": evaluate, "gates": [gate] if gate else []}
    values["pretrain"] |= {"objective": objective}
    with pytest.raises(Refused) as refusal:
        parse_recipe(values, "test")
    assert message in str(refusal.value)


@pytest.mark.slow
def test_a_causal_model_prefers_the_sentence_that_needs_fewer_bits():
    from models.bits import bits_per_byte
    from models.scratch import scratch
    from models.stereotypes import preferred
    from tests.toy_models import TEXTS

    model, tokenizer = scratch("micro-decoder", TEXTS, 7)
    pairs = [(one, other) for one, other in zip(TEXTS[:20], TEXTS[20:40], strict=True)]
    bits = [[found[0] for found in bits_per_byte(model, tokenizer, pair)] for pair in pairs]
    assert preferred(model, tokenizer, pairs) == [float(one < other) for one, other in bits]
    assert preferred(model, tokenizer, [(TEXTS[0], TEXTS[0])]) == [0.5]


@pytest.mark.slow
def test_a_masked_model_is_asked_for_each_shared_word_given_all_others(tmp_path):
    import torch

    from models.backbone import masked_from_encoder
    from models.stereotypes import preferred
    from tests.toy_models import encoder_folder

    model, tokenizer, _ = masked_from_encoder(encoder_folder(tmp_path / "encoder"), 7)
    model.eval()
    pair = ("Creates the table", "Deletes the table")

    def by_hand(text, first):
        tokens = tokenizer(text, return_tensors="pt")["input_ids"]
        total = 0.0
        for place in range(first, tokens.shape[1] - 1):
            hidden = tokens.clone()
            hidden[0, place] = tokenizer.mask_token_id
            with torch.no_grad():
                total += float(model(hidden).logits[0, place].log_softmax(-1)[tokens[0, place]])
        return total

    sizes = [len(tokenizer(text.split()[0], add_special_tokens=False)["input_ids"]) for text in pair]
    one, other = (by_hand(text, 1 + size) for text, size in zip(pair, sizes, strict=True))
    assert preferred(model, tokenizer, [pair, pair[::-1]]) == [float(one > other), float(other > one)]
