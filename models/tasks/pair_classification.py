"""Pair classification: two texts in, one label out (does this summary belong to this document?)."""

from models.tasks import labels
from models.tasks.task import Task

PAIR_CLASSIFICATION = Task(
    name="pair_classification",
    format="pair_classification",
    version=1,
    answer="label",
    texts=("text_a", "text_b"),
    target="label",
    primary="accuracy",
    measures=labels.MEASURES,
    metrics=labels.measured,
    statistics=labels.resampled,
)
