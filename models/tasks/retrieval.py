"""Retrieval: a question in, the answer out that a person wrote for it, or the known question that means the same."""

from models.tasks import passages
from models.tasks.task import Task

RETRIEVAL = Task(
    name="retrieval",
    format="faq",
    version=1,
    answer="passage",
    texts=("question",),
    target="answer",
    primary="mrr",
    measures=passages.MEASURES,
    metrics=passages.measured,
    statistics=passages.resampled,
    rivals=("bm25", "frozen_encoder"),
)
