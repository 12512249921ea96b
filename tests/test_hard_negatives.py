"""Wrong answers that are near a question are found before the epochs, and are never right ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.keywords import bm25
from models.negatives import Mining, hard_negatives
from models.ranking import Pool
from pipelines.answers.passage import training
from pipelines.artifact import read_json
from pipelines.errors import Refused
from pipelines.hard_negatives import negatives
from pipelines.recipe_file import load_recipe
from pipelines.settings import ROOT
from tests.small_finder import made as made  # noqa: PLC0414 - the fixture
from tests.small_finder import recipe, work

PAIRS = [
    ("how do I delete a table", "you delete a table with drop"),
    ("how do I delete a table", "a table is gone once you delete it in the menu"),
    ("how do I delete a queue", "you delete a queue with purge"),
    ("what is a role", "rights of somebody"),
    ("who may read", "owners"),
]


def mined(pairs: list[tuple[str, str]] = PAIRS, **changes: Any) -> list[list[str]]:
    pool = Pool.of(pairs)
    mining = Mining(**{"each": 1, "among": 20, "margin": 0.05, "seed": 3} | changes)
    return hard_negatives(bm25(pool.answers), pairs, pool, mining)


def test_they_share_words_with_the_question_and_answer_another_one():
    tables, menu, queue, role, owner = mined(margin=0.0, each=3)
    assert tables == ["you delete a queue with purge"]
    assert set(menu) <= set(tables)
    assert queue
    assert set(queue) <= {PAIRS[0][1], PAIRS[1][1]}
    assert role == owner == [], "their own answers share no word with them"


def test_none_comes_as_near_as_the_margin_allows_or_is_not_near_at_all():
    pairs = [("a", "own"), *[(f"q{n}", text) for n, text in enumerate(("far", "near", "nearer", "above"))]]
    pool, scores = Pool.of(pairs), np.array([[1.0, 0.0, 0.5, 0.94, 1.2]], np.float32)
    found = hard_negatives(lambda _: scores, pairs[:1], pool, Mining(4, 4, 0.05, 1))
    assert sorted(found[0]) == ["near", "nearer"]
    assert hard_negatives(lambda _: scores, pairs[:1], pool, Mining(4, 4, 0.1, 1)) == [["near"]]
    assert hard_negatives(lambda _: scores, pairs[:1], pool, Mining(1, 1, 0.05, 1)) == [["nearer"]]
    assert hard_negatives(lambda _: -scores, pairs[:1], pool, Mining(4, 4, 0.05, 1)) == [[]]


def test_the_seed_draws_them_and_the_same_one_the_same():
    pairs = [(f"the table {n}", f"the table of {n}") for n in range(30)]
    assert mined(pairs, margin=0.0) == mined(pairs, margin=0.0)
    assert mined(pairs, margin=0.0) != mined(pairs, margin=0.0, seed=4)
    assert all(answer not in found for (_, answer), found in zip(pairs, mined(pairs, each=5), strict=True))


def test_pools_larger_than_a_block_of_scores_give_the_same(monkeypatch: pytest.MonkeyPatch):
    pairs = [(f"the table {n}", f"the table of {n}") for n in range(90)]
    whole = mined(pairs, each=2)
    monkeypatch.setattr("models.negatives.BLOCK", 1)
    monkeypatch.setattr("models.negatives.BATCH", 7)
    assert mined(pairs, each=2) == whole


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"task": "pair_classification"},
            "hard_negatives is for tasks that find answers; pair_classification",
        ),
        ({"finetune.hard_negatives.each": 9, "finetune.hard_negatives.among": 8}, "each is 9, .* from among 8"),
        ({"finetune.hard_negatives.by": "luck"}, "hard_negatives.by: Input should be 'words' or 'model'"),
    ],
)
def test_what_has_no_use_for_them_is_refused(changes: dict[str, object], message: str):
    path = ROOT / "pipelines" / "recipes" / "summary_checker.toml"
    plain = {"task": "retrieval", "gates": [], "finetune.hard_negatives": {}}
    with pytest.raises(Refused, match=message):
        load_recipe(path, plain | changes)


def trained(folder: Path, made: dict[str, Path], by: str) -> Any:
    return work(folder, made, epochs=1, hard_negatives={"by": by, "margin": 0.0, "each": 2})


@pytest.mark.slow
@pytest.mark.parametrize("by", ["words", "model"])
def test_a_training_meets_them_and_goes_on_with_those_that_it_found(
    by: str, made: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from pipelines import examples

    first = trained(tmp_path / "first", made, by)
    rows = examples.read_split(first, "train")
    plan = training(first)[2]
    kept = read_json(first.checkpoints / "negatives.json")
    answers = {row["answer"] for row in rows}
    assert len(kept) == len(rows)
    assert all(set(texts) <= answers - {row["answer"]} for texts, row in zip(kept, rows, strict=True))
    if by == "model":
        assert sum(map(len, kept)) > len(rows)
    else:
        assert not any(kept), "no question shares a word with an answer"
    told = {len(plan.collate(batch, 0)["passage_input_ids"]) for batch in plan.epochs[0]}
    assert max(told) <= len(answers) + 1
    monkeypatch.setattr("models.negatives.hard_negatives", lambda *_: pytest.fail("looked for a second time"))
    again = training(first)[2]
    for batch in plan.epochs[0]:
        same = zip(plan.collate(batch, 0).values(), again.collate(batch, 0).values(), strict=True)
        assert all(bool((one == other).all()) for one, other in same)


def test_a_recipe_without_them_looks_for_none(tmp_path: Path):
    assert negatives(work(tmp_path, {}), None, None, PAIRS) == [[]] * len(PAIRS)
    assert recipe(tmp_path).finetune.hard_negatives is None
