"""Trivial answers learn what is trivial to learn, and fail where it is not."""

import random

import numpy as np

from models import baselines
from models.tasks import TASKS

WORDS = [f"{a}{b}" for a in ("bu", "que", "ta", "ro", "stre") for b in ("cket", "ue", "ble", "le", "am", "po", "ne")]
PAIRS = TASKS["pair_classification"]


def pairs(count, seed):
    """A summary of a document's own words, or of words by chance."""
    chance = random.Random(seed)
    rows = []
    for number in range(count):
        words = chance.choices(WORDS, k=12)
        label = "yes" if number % 2 else "no"
        other = chance.sample(words, 4) if label == "yes" else chance.choices(WORDS, k=4)
        rows.append(
            {
                "id": f"{seed}-{number}",
                "text_a": " ".join(words),
                "text_b": " ".join(other),
                "label": label,
                "lang": "en",
            }
        )
    return rows


def test_overlap_sees_shared_words():
    answers = baselines.overlap(pairs(200, 1), pairs(100, 2))
    assert [a["id"] for a in answers] == [r["id"] for r in pairs(100, 2)]
    assert PAIRS.metrics(answers)["accuracy"] > 0.9


def test_overlap_sees_nothing_in_labels_by_chance():
    chance = random.Random(0)
    train, test = ([row | {"label": chance.choice(["no", "yes"])} for row in pairs(n, n)] for n in (300, 200))
    assert PAIRS.metrics(baselines.overlap(train, test))["accuracy"] < 0.62


def test_overlap_reads_chinese_by_character():
    rows = [
        {"id": str(n), "text_a": "这个操作删除一个存储桶" * 2, "text_b": b, "label": label, "lang": "zh"}
        for n, (b, label) in enumerate([("删除存储桶", "yes"), ("查询用户账单", "no")] * 10)
    ]
    assert PAIRS.metrics(baselines.overlap(rows, rows))["accuracy"] == 1


def test_the_cosine_baseline_fits_one_threshold():
    def embed(texts):
        return np.array([[text.split().count(word) for word in WORDS] for text in texts], float)

    answers = baselines.cosine(pairs(100, 3), pairs(100, 4), embed)
    assert PAIRS.metrics(answers)["accuracy"] > 0.85
    assert PAIRS.metrics(answers)["auc"] > 0.95


def test_the_nearest_prompt_lends_its_completion():
    train = [
        {"id": "1", "prompt": "delete a bucket", "completion": "Deletes it."},
        {"id": "2", "prompt": "list all queues", "completion": "Lists them."},
    ]
    test = [{"id": "3", "prompt": "list the queues", "completion": "Lists the queues."}]
    assert baselines.nearest(TASKS["generation"], train, test) == ["Lists them."]


def test_the_lead_is_the_first_sentences_in_english_and_in_chinese():
    task = TASKS["summarisation"]
    documents = [
        ("Rates of 3.5 % rose (again). Why? Nobody said.", "Rates of 3.5 % rose (again)."),
        ("“涨了。”他说。市场上涨。", "“涨了。”"),
        ("A title\nThen text.", "A title"),
        ("no stop", "no stop"),
    ]
    rows = [{"document": document} for document, _ in documents]
    assert baselines.lead(1)(task, [], rows) == [first for _, first in documents]
    assert baselines.lead(3)(task, [], rows)[0] == documents[0][0]


def test_a_copy_changes_nothing():
    assert baselines.copy(TASKS["rewriting"], [], [{"source": " He go. "}]) == [" He go. "]
