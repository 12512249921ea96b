"""What tasks that answer with a text have in common: how it is judged, and what a resample of judgements is worth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from models import statistics
from models.bootstrap import Statistic, sums
from models.tasks.task import Prediction, Row, Task

if TYPE_CHECKING:
    from numpy.typing import NDArray


def judged(task: Task, rows: Sequence[Row], answers: Sequence[str]) -> list[dict[str, Any]]:
    """Each answer as a prediction: what was written, the reference, and what its metrics are summed from."""
    sources, references = [task.read(row)[0] for row in rows], [task.references(row) for row in rows]
    found = [
        {"id": row["id"], "reference": row[task.target], "prediction": answer}
        for row, answer in zip(rows, answers, strict=True)
    ]
    told = [judge(sources, references, answers) for judge in task.judges]
    told += [judge(rows, answers) for judge in task.row_judges]
    for of_all in told:
        for prediction, numbers in zip(found, of_all, strict=True):
            kept = {name: _rounded(value) for name, value in numbers.items() if name in task.measures}
            prediction.update(kept)
    return found


def _rounded(value: Any) -> Any:
    return round(value, 6) if isinstance(value, float) else value


def measured(predictions: Sequence[Prediction]) -> dict[str, float]:
    """Every metric whose parts stand in all of the predictions.

    A baseline that is only asked how likely the references are writes nothing; one that copies has no likelihood.
    """
    import numpy as np

    once = np.ones((1, len(predictions)))
    return {name: float(statistic(once)[0]) for name, statistic in resampled(predictions).items()}


def resampled(predictions: Sequence[Prediction]) -> dict[str, Statistic]:
    """The metrics of `measured` as functions of resampling weights."""
    known = set.intersection(*(set(prediction) for prediction in predictions))
    return {name: of(predictions, column) for name, (column, of) in METRICS.items() if column in known}


def _mean(predictions: Sequence[Prediction], name: str) -> Statistic:
    return statistics.mean([float(prediction[name]) for prediction in predictions])


def _bits_per_byte(predictions: Sequence[Prediction], _: str) -> Statistic:
    """Bits that the model needs for each reference, over the reference's UTF-8 bytes."""
    return statistics.ratio(*([float(p[column]) for p in predictions] for column in ("bits", "bytes")))


def _bleu(predictions: Sequence[Prediction], name: str) -> Statistic:
    """BLEU of a corpus, from 0 to 100, as sacreBLEU counts it."""
    from sacrebleu.metrics.bleu import BLEU

    def score(sums: NDArray[Any]) -> float:
        counts = sums.astype(int).tolist()
        matches, grams, (answer, reference) = counts[:4], counts[4:8], counts[8:]
        return float(BLEU.compute_bleu(matches, grams, answer, reference).score)

    return _of_sums(predictions, name, score)


def _ter(predictions: Sequence[Prediction], name: str) -> Statistic:
    """Edits for each hundred words of the references."""

    def score(sums: NDArray[Any]) -> float:
        made, words = sums.tolist()
        return 100 * made / words if words else 100.0 * bool(made)

    return _of_sums(predictions, name, score)


def _gleu(predictions: Sequence[Prediction], name: str) -> Statistic:
    """GLEU of a corpus, from 0 to 1: the geometric mean of four precisions, with BLEU's penalty for being short."""
    import numpy as np

    def score(sums: NDArray[Any]) -> float:
        (answer, reference), matches, grams = sums[:2], sums[2::2], sums[3::2]
        if not matches.all():
            return 0.0
        return float(np.exp(min(0.0, 1 - reference / answer) + np.log(matches / grams).mean()))

    return _of_sums(predictions, name, score)


def _pooled(predictions: Sequence[Prediction], name: str) -> Statistic:
    """The first of two numbers over the second, of all examples together."""
    return statistics.ratio(*zip(*(prediction[name] for prediction in predictions), strict=True))


def _f_half(predictions: Sequence[Prediction], name: str) -> Statistic:
    """F0.5 of all edits together."""

    def score(sums: NDArray[Any]) -> float:
        right, made, wanted = sums.tolist()
        return 1.25 * right / (made + 0.25 * wanted) if made or wanted else 1.0

    return _of_sums(predictions, name, score)


def _edit_precision(predictions: Sequence[Prediction], name: str) -> Statistic:
    """Share of the edits made that were right; where none was made none was wrong."""
    return _of_sums(predictions, name, lambda sums: sums[0] / sums[1] if sums[1] else 1.0)


def _edit_recall(predictions: Sequence[Prediction], name: str) -> Statistic:
    """Share of the edits asked for that were made; where none was asked for none is missing."""
    return _of_sums(predictions, name, lambda sums: sums[0] / sums[2] if sums[2] else 1.0)


def _of_sums(predictions: Sequence[Prediction], name: str, score: Callable[[NDArray[Any]], float]) -> Statistic:
    """A score of the sums over a resample of the numbers that are kept of each example."""
    import numpy as np

    table = np.array([prediction[name] for prediction in predictions], float)
    return sums(table, lambda found: np.array([score(one) for one in found]))


# By metric: the column that a prediction must have, and how a resample's value comes of it.
METRICS: dict[str, tuple[str, Callable[[Sequence[Prediction], str], Statistic]]] = {
    "bits_per_byte": ("bits", _bits_per_byte),
    **{
        name: (name, _mean)
        for name in ("rouge_1", "rouge_2", "rouge_l", "chrf", "grounding", "repetition", "sari", "bert_score")
    },
    "attribute_success": ("attribute_success", _pooled),
    "bleu": ("bleu", _bleu),
    "edit_f05": ("edit_f05", _f_half),
    "edit_precision": ("edit_f05", _edit_precision),
    "edit_recall": ("edit_f05", _edit_recall),
    "gleu": ("gleu", _gleu),
    "ter": ("ter", _ter),
}
