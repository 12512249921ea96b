"""Pair classification: two texts in, one label out (does this summary belong to this document?)."""

from models.tasks import labels
from models.tasks.task import Row, Task


def group(row: Row) -> str:
    """The row's `group`, else its first text: pairs of one document share its difficulty."""
    return str(row.get("group") or row["text_a"])


PAIR_CLASSIFICATION = Task(
    name="pair_classification",
    format="pair_classification",
    version=1,
    answer="label",
    texts=("text_a", "text_b"),
    target="label",
    primary="accuracy",
    measures=labels.MEASURES,
    group=group,
    metrics=labels.measured,
    statistics=labels.resampled,
)
