"""Summarisation: a document in, its summary or headline out."""

from models import text_metrics
from models.tasks import texts
from models.tasks.task import Task

SUMMARISATION = Task(
    name="summarisation",
    format="summarisation",
    version=1,
    answer="text",
    texts=("document",),
    target="summary",
    prompt="{document}\n\nSummary:",
    primary="rouge_l",
    measures=("rouge_1", "rouge_2", "rouge_l", "bits_per_byte", "bert_score"),
    metrics=texts.measured,
    statistics=texts.resampled,
    judges=(text_metrics.rouge,),
    worst="rouge_l",
    rivals=("lead_1", "lead_3"),
)
