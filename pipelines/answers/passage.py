"""Tasks that answer with one of many known texts: an encoder that brings questions and answers together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.tasks import TASKS
from models.tasks.passages import judged
from models.tasks.task import Prediction, Row, Task
from pipelines.examples import Load, Rows, Training, passes, read_split, training_rows, validation
from pipelines.hard_negatives import negatives
from pipelines.loop_progress import progress
from pipelines.steps import Work

if TYPE_CHECKING:
    from models.ranking import Pool, Scorer


def training(work: Work) -> Training:
    """An encoder, the training rows with their answers, and MRR among the validation rows' answers to validate with."""
    from models.backbone import load_bi_encoder
    from models.contrast import contrast_plan

    task, settings = TASKS[work.run.recipe.task], work.run.recipe.finetune
    rows, held = training_rows(work)
    model, tokenizer = load_bi_encoder(work.inputs["model"] / "model", settings.max_length)
    pairs = _pairs(task, rows)
    mined = negatives(work, model, tokenizer, pairs)
    given = [[row["negative"]] if row.get("negative") is not None else [] for row in rows]
    examples = [(*pair, *own, *more) for pair, own, more in zip(pairs, given, mined, strict=True)]
    plan = contrast_plan(tokenizer, examples, passes(work))
    print(f"{len(rows):,} questions with answers; {len(held):,} to validate", flush=True)
    return model, tokenizer, plan, validation(work, _measure(task, tokenizer, held), task.validated)


def finish(work: Work) -> None:
    """Lay the answers that the model will choose from beside the weights."""
    from models.ranking import write_answers

    pool = beside(work)["pool"]
    write_answers(pool.answers, work.out / "model")
    print(f"{len(pool.answers):,} answers to choose from", flush=True)


def beside(work: Work) -> dict[str, Any]:
    """All answers that the examples have, those of the test rows among them; nothing is learned of these."""
    from models.ranking import Pool

    task = TASKS[work.run.recipe.task]
    rows = (row for name in ("train", "validation", "test") for row in read_split(work, name))
    return {"pool": Pool.of(_pairs(task, rows))}


def _pairs(task: Task, rows: Iterable[Row]) -> list[tuple[str, str]]:
    return [(task.read(row)[0], str(row[task.target])) for row in rows]


def _measure(task: Task, tokenizer: Any, rows: Rows) -> Callable[[Any], dict[str, float]]:
    """Among the answers of these rows only: reading the whole pool would take longer than the epoch before it."""
    from models.ranking import Pool, scorer

    pool = Pool.of(_pairs(task, rows))

    def measure(model: Any) -> dict[str, float]:
        found = _found(task, scorer(model, tokenizer, pool.answers), rows, pool)
        return {name: round(value, 6) for name, value in task.metrics(found).items()}

    return measure


def predictions(
    task: Task, folder: Path, rows: Sequence[Row], load: Load | None = None, *, pool: Pool
) -> list[dict[str, Any]]:
    """What a model finds first for each row in a pool that holds all right answers, and the rank of the right one."""
    from models.backbone import load_bi_encoder
    from models.ranking import scorer

    model, tokenizer = (load or load_bi_encoder)(folder)
    return _found(task, scorer(model, tokenizer, pool.answers, progress("answers")), rows, pool)


def _found(task: Task, score: Scorer, rows: Sequence[Row], pool: Pool) -> list[dict[str, Any]]:
    from models.ranking import positions

    found = positions(score, _pairs(task, rows), pool)
    return judged(rows, [pool.answers[first] for first, _ in found], [rank for _, rank in found])


def rivals(work: Work) -> dict[str, Callable[[Sequence[Row], Sequence[Row]], list[dict[str, Any]]]]:
    """Words in common, and the base before it saw the domain or the task; both choose from the same pool."""
    task, pool = TASKS[work.run.recipe.task], beside(work)["pool"]

    def by_words(_: Sequence[Row], test: Sequence[Row]) -> list[dict[str, Any]]:
        from models.keywords import bm25

        return _found(task, bm25(pool.answers, progress("answers' words")), test, pool)

    def by_base(_: Sequence[Row], test: Sequence[Row]) -> list[dict[str, Any]]:
        return predictions(task, work.inputs["base"] / "model", test, pool=pool)

    return {"bm25": by_words, "frozen_encoder": by_base}


def mistakes(_: Task, predictions: Sequence[Prediction]) -> list[int]:
    """Positions of the questions whose right answer did not come first, the lowest ranks first."""
    wrong = [number for number, found in enumerate(predictions) if found["rank"] > 1]
    return sorted(wrong, key=lambda n: (-predictions[n]["rank"], predictions[n]["id"]))


def shown(task: Task, row: Row, ours: Prediction, theirs: Prediction | None) -> dict[str, Any]:
    """The right answer, and where it came in."""
    ranks = {"rank": ours["rank"], "champion_rank": theirs["rank"] if theirs else None}
    return {**ranks, "reference": row[task.target]}
