"""Answers that are all alike, or go round in circles, are seen; and so are attributes that nobody wrote about."""

import gzip
import json

import pytest

from models import variety
from models.tasks import TASKS
from models.tasks.generation import attribute_success
from models.tasks.texts import judged
from pipelines.comparison import Comparison
from pipelines.markdown import spread as packet_spread
from pipelines.report import spread
from pipelines.settings import ROOT

GENERATION = TASKS["generation"]
SKIRT = "类型#裙*风格#简约*颜色#纯色"


def rows(*prompts, **more):
    return [{"id": str(n), "prompt": prompt, "completion": "a b c", **more} for n, prompt in enumerate(prompts)]


def repetition(answer):
    return variety.repetition([], [], [answer])[0]["repetition"]


def test_distinct_counts_different_words_of_all_answers_together():
    found = variety.measured(["the cat sat", "The cat ran"])
    assert found["distinct_1"] == pytest.approx(4 / 6)
    assert found["distinct_2"] == pytest.approx(3 / 4)
    assert variety.measured(["红裙", "红衣"])["distinct_1"] == pytest.approx(3 / 4)
    assert variety.measured(["", ""]) == {"distinct_1": 0, "distinct_2": 0, "self_bleu": 0}


def test_self_bleu_is_the_mean_bleu_of_each_answer_with_the_others():
    from sacrebleu.metrics.bleu import BLEU

    answers = ("the cat sat on the mat", "the cat sat on the sofa today", "a dog ran in the park")
    metric = BLEU(effective_order=True)
    by_hand = [metric.sentence_score(a, [b for b in answers if b != a]).score for a in answers]
    assert variety.self_bleu(answers) == pytest.approx(sum(by_hand) / 3)
    assert variety.self_bleu(("我们今天去北京",) * 3) == pytest.approx(100)
    assert variety.self_bleu(("alone",)) == 0


def test_self_bleu_of_many_answers_draws_the_same_ones_each_time():
    many = tuple(f"answer number {n} is about {n * 7}" for n in range(variety.SAMPLE + 50))
    first = variety.self_bleu(many)
    variety.self_bleu.cache_clear()
    assert variety.self_bleu(many) == first


def test_repetition_is_the_share_of_runs_of_four_words_that_stood_before():
    assert repetition("one two three four five six") == 0
    assert repetition("a b c d a b c d") == pytest.approx(1 / 5)
    assert repetition("好好好好好好好") == pytest.approx(3 / 4)
    assert repetition("too short") == 0


def test_attributes_are_those_of_the_prompt_or_of_the_row():
    answers = ["这款裙子简约大方", "Plain white shirt"]
    (skirt,) = attribute_success(rows(SKIRT), answers[:1])
    assert skirt == {"attribute_success": [2, 3]}
    (shirt,) = attribute_success(rows("Write", attributes=["colour#white", "PLAIN", "silk"]), answers[1:])
    assert shirt == {"attribute_success": [2, 3]}
    for prompt in ("A plain prompt", "C#", "Learn C# in a day", "#1 * #2"):
        assert attribute_success(rows(prompt), [""]) == [{}]
    told = judged(GENERATION, rows(SKIRT, SKIRT), ["裙", "纯色的简约裙"])
    assert GENERATION.metrics(told)["attribute_success"] == pytest.approx(4 / 6)
    assert "attribute_success" not in GENERATION.metrics(judged(GENERATION, rows(SKIRT, "A plain prompt"), ["", ""]))


def test_what_is_no_function_of_a_resample_is_told_without_an_interval():
    asked = rows("one", "two", "three")
    told = judged(GENERATION, asked, ["a b", "a c", "d"])
    found = Comparison(GENERATION, asked, 7).intervals(told)
    assert found["distinct_1"] == {"value": 0.8, "low": None, "high": None}
    assert spread(found["distinct_1"]) == "no interval"
    assert packet_spread(found["distinct_1"], signed=False) == "0.8000"
    assert found["repetition"] == {"value": 0, "low": 0, "high": 0}


def test_people_realise_most_attributes_of_real_ad_copy():
    path = ROOT.parent / "shared" / "data" / "gen_zh_ad_copy.jsonl.gz"
    if not path.exists():
        pytest.skip("shared/data/gen_zh_ad_copy.jsonl.gz is not on this machine")
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        real = [json.loads(line) for line in file]
    found = [row["attribute_success"] for row in attribute_success(real, [row["completion"] for row in real])]
    named, wanted = map(sum, zip(*found, strict=True))
    assert named / wanted == pytest.approx(0.861, abs=0.001)
