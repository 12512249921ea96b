"""Leaks: rows that measure a model, in what it is trained on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.blocks import PLACE
from pipelines.facts import ANSWER_SEED
from pipelines.formats import Recommendation
from pipelines.measure import EXAMPLES, Measure, shown
from pipelines.reading import read_blocks
from pipelines.tally import Tally
from pipelines.whole_set import gathered

if TYPE_CHECKING:
    import polars as pl

    from pipelines.spill import Spill

LOOKED_FOR = 16_000_000  # characters of evaluation texts looked for in one reading of a corpus; each takes 20 bytes


def leak_measures(evaluation: Tally, training: Tally) -> dict[str, Measure]:
    """Every measure of an evaluation set against a training set; places are those of the evaluation set."""
    found = {
        "ids_in_both": _both(evaluation, evaluation.ids, training.ids),
        "leakage": _both(evaluation, evaluation.texts, training.texts),
    }
    found["near_leakage"] = _near_leakage(evaluation, training)
    if evaluation.view.form is Recommendation:
        found["cold_items"] = _both(evaluation, evaluation.items, training.items, cold=True)
    elif evaluation.view.form.LABEL:
        unknown = {label: n for label, n in evaluation.labels.items() if n and not training.labels[label]}
        found["unknown_labels"] = Measure(sum(unknown.values()))
        found["unknown_labels"].words.update({shown(label): n for label, n in list(unknown.items())[:EXAMPLES]})
    for measure in found.values():
        measure.of = evaluation.rows
    return found


def other_task_measures(evaluation: Tally, training: Tally) -> dict[str, Measure]:
    """The measures of an evaluation set against the training set of another task, whose ids and labels are its own.

    A text counts wherever it stands in a row: an answer that was learned with it would be another task's, but the model
    has seen it.
    """
    import polars as pl

    parts = (evaluation.texts.together(training.texts), evaluation.firsts.together(training.singles))
    seen = [a.join(b, on="text_key", how="semi")[PLACE] for both in parts for a, b in both]
    places = pl.concat(seen).unique().sort()
    leaked = Measure(len(places), places=evaluation.places(places.head(EXAMPLES).to_list()))
    found = {"leakage": leaked, "near_leakage": _near_leakage(evaluation, training)}
    for measure in found.values():
        measure.of = evaluation.rows
    return found


def heldout_measures(corpus: Tally) -> dict[str, Measure]:
    """The texts of a corpus to train on, and those held out that stand among them."""
    import polars as pl

    training = pl.col("answer_key") == _key_of_training()
    rows = sum(part.select(training.sum()).item() for part in corpus.texts.parts())
    leaked = gathered(corpus, (_held_and_trained(part, training) for part in corpus.texts.parts()))
    return {"training_rows": Measure(rows, corpus.rows), "heldout_in_training": leaked}


def corpus_measures(evaluation: Tally, corpus: Tally, path: Path) -> dict[str, Measure]:
    """Evaluation texts in the corpus that is trained on: as texts of their own, or within longer ones of the file."""
    import polars as pl

    from pipelines.contained import contained

    training = pl.col("answer_key") == _key_of_training()
    parts = evaluation.firsts.together(corpus.texts)
    leaked = [a.join(b.filter(training), on="text_key", how="semi")[PLACE] for a, b in parts]
    for where, texts in evaluation.looked_for.slices(LOOKED_FOR):
        within = contained(texts, _training_texts(corpus, path))
        leaked.append(pl.Series([where[position] for position, _ in within], dtype=pl.UInt64))
    places = pl.concat(leaked).unique().sort()
    return {"corpus_leakage": Measure(len(places), evaluation.rows, evaluation.places(places.head(EXAMPLES).to_list()))}


def _key_of_training() -> int:
    """The key of rows to train on: in a corpus, the answer is the row's part."""
    import polars as pl

    return int(pl.Series(["train"]).hash(ANSWER_SEED).item())


def _held_and_trained(part: pl.DataFrame, training: pl.Expr) -> pl.DataFrame:
    return part.filter(~training).join(part.filter(training), on="text_key", how="semi")


def _training_texts(corpus: Tally, path: Path) -> Iterator[str]:
    for block in read_blocks(path, corpus.view.form, corpus.view.limits, keep=False):
        frame = block.frame
        yield from frame.filter(frame["split"] == "train")["text"]


def _both(tally: Tally, mine: Spill, others: Spill, *, cold: bool = False) -> Measure:
    how, key = "anti" if cold else "semi", mine.columns[0]
    return gathered(tally, (a.join(b, on=key, how=how) for a, b in mine.together(others)))  # type: ignore[arg-type]


def _near_leakage(evaluation: Tally, training: Tally) -> Measure:
    if training.near is None or evaluation.near is None:
        return Measure()
    near = evaluation.near.near(training.near)
    return Measure(len(near), places=evaluation.places(near[:EXAMPLES].tolist()))
