"""Several labels: one text in, every label out that is true of it (topics of a news item, traits of a product)."""

from models.tasks import label_sets
from models.tasks.task import Task

MULTI_LABEL = Task(
    name="multi_label",
    format="multi_label",
    version=1,
    answer="labels",
    texts=("text",),
    target="labels",
    primary="micro_f1",
    measures=label_sets.MEASURES,
    metrics=label_sets.measured,
    statistics=label_sets.resampled,
)
