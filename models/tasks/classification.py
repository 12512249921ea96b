"""Classification: one text in, one label out (its topic, its sentiment, what its writer wants)."""

from models.tasks import labels
from models.tasks.task import Row, Task


def group(row: Row) -> str:
    """The row's `group`, else its text: the same text twice is one example."""
    return str(row.get("group") or row["text"])


CLASSIFICATION = Task(
    name="classification",
    format="classification",
    version=1,
    answer="label",
    texts=("text",),
    target="label",
    primary="accuracy",
    measures=labels.MEASURES,
    group=group,
    metrics=labels.measured,
    statistics=labels.resampled,
)
