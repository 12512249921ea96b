"""Leaks: rows that measure a model, in what it is trained on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.blocks import PLACE
from pipelines.facts import ANSWER_SEED
from pipelines.formats import Dialog, Recommendation
from pipelines.measure import EXAMPLES, Measure, shown
from pipelines.reading import read_blocks
from pipelines.tally import Tally
from pipelines.told import has_answers, is_long, tells
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
    found |= _answer_leakage(evaluation, training)
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
    leaked = _met(evaluation, (evaluation.texts, training.texts), (evaluation.firsts, training.singles))
    found = {"leakage": leaked, "near_leakage": _near_leakage(evaluation, training)}
    found |= _answer_leakage(evaluation, training)
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
    """Evaluation rows in a corpus that is trained on: as texts of their own, or within longer ones of the file.

    A part of what a row says tells of the row where it is long; so does an answer, and short ones are counted apart.
    """
    import polars as pl

    training, form = pl.col("answer_key") == _key_of_training(), evaluation.view.form
    both = evaluation.firsts.together(corpus.texts)
    leaked, answers = list[int](), list[int]()
    for place, part, text in _within(evaluation, corpus, path):
        if part == "answer" and tells(text, form):
            answers.append(place)
        if part == "whole" or (is_long(text) and not (part == "answer" and form is Dialog)):
            leaked.append(place)
    seen = [a.join(b.filter(training), on="text_key", how="semi")[PLACE] for a, b in both]
    found = {"corpus_leakage": _at(evaluation, [*seen, pl.Series(leaked, dtype=pl.UInt64)])}
    if has_answers(form):
        found["corpus_answers"] = _at(evaluation, [pl.Series(answers, dtype=pl.UInt64)])
    for measure in found.values():
        measure.of = evaluation.rows
    return found


def _within(evaluation: Tally, corpus: Tally, path: Path) -> Iterator[tuple[int, str, str]]:
    """What is looked for of the evaluation rows (`spill.Texts`), where a training text of the corpus holds it."""
    from pipelines.contained import contained

    for some in evaluation.looked_for.slices(LOOKED_FOR):
        found = contained([text for _, _, text in some], _training_texts(corpus, path))
        yield from (some[position] for position, _ in found)


def _answer_leakage(evaluation: Tally, training: Tally) -> dict[str, Measure]:
    """Evaluation answers that training shows, as answers or to be read; of formats that have answers of their own."""
    if not has_answers(evaluation.view.form):
        return {}
    learned = (training.answers, training.texts, training.singles)
    return {"answer_leakage": _met(evaluation, *((evaluation.answers, spill) for spill in learned))}


def _met(evaluation: Tally, *both: tuple[Spill, Spill]) -> Measure:
    """The evaluation rows of which a key stands in the other spill, each once."""
    parts = (part for mine, others in both for part in mine.together(others))
    return _at(evaluation, [a.join(b, on="text_key", how="semi")[PLACE] for a, b in parts])


def _at(evaluation: Tally, places: Sequence[pl.Series]) -> Measure:
    import polars as pl

    found = pl.concat(places).unique().sort()
    return Measure(len(found), places=evaluation.places(found.head(EXAMPLES).to_list()))


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
