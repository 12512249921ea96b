"""What is kept of each written text adds up to the metrics that everybody else computes, on any resample."""

import numpy as np
import pytest

from models import text_metrics
from models.tasks import TASKS
from models.tasks.texts import judged

SOURCES = ["He go home .", "我昨天去了北京 。", "All is well .", "She like it ."]
REFERENCES = [
    ["He goes home ."],
    ["我昨天去北京了。", "我昨天去过北京。"],
    ["All is well ."],
    ["She likes it very much ."],
]
ANSWERS = ["He goes home .", "我昨天去北京 。", "All was well .", "She likes it ."]


def rows(task):
    first = task.texts[0]
    return [
        {"id": str(n), first: source, task.target: texts[0], "refs": texts[1:], "source_lang": "a", "target_lang": "b"}
        for n, (source, texts) in enumerate(zip(SOURCES, REFERENCES, strict=True))
    ]


@pytest.mark.parametrize("chinese", [False, True])
def test_bleu_is_that_of_sacrebleu_for_the_whole_and_for_a_resample(chinese):
    from sacrebleu.metrics import BLEU

    task = TASKS["translation"]
    chosen = [n for n, source in enumerate(SOURCES) if source.isascii() != chinese] * 3
    told = [judged(task, rows(task), ANSWERS)[n] for n in chosen]
    theirs = BLEU(tokenize="zh" if chinese else "13a")
    longest = max(len(REFERENCES[n]) for n in chosen)
    streams = [[(REFERENCES[n] * longest)[k] for n in chosen] for k in range(longest)]
    expected = theirs.corpus_score([ANSWERS[n] for n in chosen], streams).score
    assert task.metrics(told)["bleu"] == pytest.approx(expected)
    drawn = np.array([[2.0, *[0.0] * (len(chosen) - 1)]])
    alone = theirs.corpus_score([ANSWERS[chosen[0]]] * 2, [[text[0]] * 2 for text in streams]).score
    assert task.statistics(told)["bleu"](drawn)[0] == pytest.approx(alone)


def test_edits_count_what_was_mended_what_was_broken_and_what_was_left():
    found = [row["edit_f05"] for row in text_metrics.edits(SOURCES, REFERENCES, ANSWERS)]
    assert found[0] == [1, 1, 1], "the one edit that was asked for"
    assert found[2] == [0, 1, 0], "an edit where none was asked for"
    assert found[3][0] == 1
    assert found[3][2] == 2, "one of two"
    task = TASKS["rewriting"]
    right, made, wanted = (sum(column) for column in zip(*found, strict=True))
    told = judged(task, rows(task), ANSWERS)
    scores = task.metrics(told)
    assert scores["edit_f05"] == pytest.approx(1.25 * right / (made + 0.25 * wanted))
    assert scores["edit_precision"] == pytest.approx(right / made)
    assert scores["edit_recall"] == pytest.approx(right / wanted)


def test_to_change_nothing_is_right_where_nothing_is_wrong_and_worth_nothing_elsewhere():
    copies = text_metrics.edits(SOURCES, REFERENCES, SOURCES)
    assert [row["edit_f05"][:2] for row in copies] == [[0, 0]] * 4
    task = TASKS["rewriting"]
    names = ("edit_f05", "edit_precision", "edit_recall")
    copied = task.metrics(judged(task, rows(task), SOURCES))
    assert [copied[name] for name in names] == [0, 1, 0], "who changes nothing breaks nothing"
    right = task.metrics(judged(task, rows(task)[2:3], SOURCES[2:3]))
    assert [right[name] for name in names] == [1, 1, 1]


def test_of_several_references_the_most_alike_counts():
    (one,) = text_metrics.rouge([""], [["nothing like it", "a b c"]], ["a b c"])
    assert one["rouge_l"] == one["rouge_2"] == 1
    (chinese,) = text_metrics.chrf([""], [["我们", "他们今天来"]], ["他们今天来"])
    assert chinese["chrf"] == pytest.approx(100)


@pytest.mark.parametrize("name", ["generation", "summarisation", "translation", "rewriting"])
def test_every_writing_task_asks_with_its_text_and_keeps_what_its_metrics_need(name):
    task = TASKS[name]
    for row, source in zip(rows(task), SOURCES, strict=True):
        assert source in task.asked(row).text
    told = judged(task, rows(task), ANSWERS)
    # What a model has to tell, and what only some rows can show, come from elsewhere.
    assert set(task.metrics(told)) == set(task.measures) - {"bits_per_byte", "bert_score", "attribute_success"}
    assert task.worst in told[0]
    assert not {"rouge_1", "bleu", "edit_f05"} & set(told[0]) - set(task.measures), "nothing is kept for no one"


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_what_a_served_model_asks_for_is_all_that_it_needs(task):
    row = dict.fromkeys(task.inputs, "x")
    if task.format == "dialog":
        row = {"messages": [{"role": "user", "content": "x"}]}
    assert "x" in task.read(row)
    assert "x" in task.asked(row).text or task.answer != "text"
    assert task.target not in task.inputs


def test_a_text_with_braces_is_asked_as_it_stands():
    assert TASKS["summarisation"].asked({"document": "{document} {0}"}).text.startswith("{document} {0}")
