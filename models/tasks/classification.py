"""Classification: one text in, one label out (its topic, its sentiment, what its writer wants)."""

from models.tasks import labels
from models.tasks.task import Task

CLASSIFICATION = Task(
    name="classification",
    format="classification",
    version=1,
    answer="label",
    texts=("text",),
    target="label",
    primary="accuracy",
    measures=labels.MEASURES,
    metrics=labels.measured,
    statistics=labels.resampled,
)
