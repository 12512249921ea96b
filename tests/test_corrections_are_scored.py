"""GLEU, SARI and TER are those that their authors' scorers give, whole and resampled."""

import gzip
import json
import math
import random

import numpy as np
import pytest

from models import corrections, text_metrics
from models.tasks import TASKS
from models.tasks.texts import judged
from pipelines.settings import ROOT

DATA = ROOT.parent / "shared" / "data"


def value(counts):
    """GLEU of summed counts, as JFLEG's scorer computes it."""
    if 0 in counts:
        return 0.0
    logs = sum(math.log(m / n) for m, n in zip(counts[2::2], counts[3::2], strict=True)) / 4
    return math.exp(min(0, 1 - counts[1] / counts[0]) + logs)


def told(task, rows, answers):
    return judged(TASKS[task], rows, answers)


def row(number, source, *references):
    return {"id": str(number), "source": source, "target": references[0], "refs": references[1:]}


def test_gleu_of_one_sentence_by_hand():
    counts = corrections.gleu(["a b c d e"], [["a b c d f"]], ["a b c d e"])[0]["gleu"]
    # Unigrams: a, b, c, d match and e, which only the source has, counts against them; so with every longer run.
    assert counts == [5, 5, 3, 5, 2, 4, 1, 3, 0, 2]
    (mended,) = told("rewriting", [row(0, "a b c d e", "a b c d f")], ["a b c d f"])
    assert TASKS["rewriting"].metrics([mended])["gleu"] == pytest.approx(1)


def test_gleu_of_several_references_is_the_mean_of_random_choices_of_one():
    path = DATA / "rewrite_en_gec_jfleg.jsonl.gz"
    if not path.exists():
        pytest.skip("shared/data/rewrite_en_gec_jfleg.jsonl.gz is not on this machine")
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        rows = [json.loads(line) for line in file][:200]
    copies = [found["source"] for found in rows]
    ours = TASKS["rewriting"].metrics(told("rewriting", rows, copies))["gleu"]
    options = [
        [corrections.gleu([found["source"]], [[text]], [found["source"]])[0]["gleu"] for text in found["refs"]]
        for found in rows
    ]
    chance = random.Random(1)
    draws = [value([sum(c) for c in zip(*map(chance.choice, options), strict=True)]) for _ in range(300)]
    assert ours == pytest.approx(sum(draws) / len(draws), abs=0.002)


@pytest.mark.parametrize(("name", "known"), [("rewrite_en_gec_jfleg", 0.386), ("rewrite_zh_gec_mucgec", 0.584)])
def test_gleu_of_real_copies_is_near_what_others_measured(name, known):
    import hashlib

    path = DATA / f"{name}.jsonl.gz"
    if not path.exists():
        pytest.skip(f"shared/data/{name}.jsonl.gz is not on this machine")
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        rows = sorted(map(json.loads, file), key=lambda found: hashlib.sha1(found["id"].encode()).hexdigest())
    rows = rows[int(len(rows) * 0.9) :]
    sources, references = [found["source"] for found in rows], [found["refs"] for found in rows]
    counts = [found["gleu"] for found in corrections.gleu(sources, references, sources)]
    assert value([sum(column) for column in zip(*counts, strict=True)]) == pytest.approx(known, abs=0.01)


def test_a_target_that_stands_among_the_references_counts_once():
    task = TASKS["rewriting"]
    assert task.references({"target": "b", "refs": ["a", "b"]}) == ["a", "b"]
    assert task.references({"target": "b", "refs": ["a"]}) == ["b", "a"]
    assert task.references({"target": "b"}) == ["b"]


def test_sari_is_that_of_the_example_in_its_authors_scorer():
    source, answer = "About 95 species are currently accepted.", "About 95 you now get in."
    references = [
        "About 95 species are currently known.",
        "About 95 species are now accepted.",
        "95 species are now accepted.",
    ]
    (found,) = corrections.sari([source], [references], [answer])
    assert found["sari"] == pytest.approx(26.953601953601954)
    (same,) = corrections.sari([source], [references[:1]], references[:1])
    assert same["sari"] == pytest.approx(100)
    (chinese,) = corrections.sari(["我昨天去了北京"], [["我昨天去北京了"]], ["我昨天去北京了"])
    assert chinese["sari"] == pytest.approx(100)


def test_ter_is_that_of_sacrebleu_for_the_whole_and_for_a_resample():
    from sacrebleu.metrics.ter import TER

    answers = ["The bank raised the rates .", "It rains today .", "He goes"]
    wanted = ["The bank raises rates .", "Today it rains .", "He goes home"]
    rows = [{**row(n, "x", text), "source_lang": "a", "target_lang": "b"} for n, text in enumerate(wanted)]
    found = told("translation", rows, answers)
    assert TASKS["translation"].metrics(found)["ter"] == pytest.approx(TER().corpus_score(answers, [wanted]).score)
    drawn = np.array([[2.0, 0.0, 1.0]])
    places = [0, 0, 2]
    again = TER().corpus_score([answers[n] for n in places], [[wanted[n] for n in places]]).score
    assert TASKS["translation"].statistics(found)["ter"](drawn)[0] == pytest.approx(again)


def test_ter_counts_chinese_by_character():
    (found,) = text_metrics.ter([], [["我们今天去北京"]], ["我们明天去北京"])
    assert found["ter"] == [1, 7]
