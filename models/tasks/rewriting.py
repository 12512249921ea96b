"""Rewriting: a text in, the same corrected, polished or made simpler out."""

from models import corrections, text_metrics
from models.tasks import texts
from models.tasks.task import Task

REWRITING = Task(
    name="rewriting",
    format="rewriting",
    version=1,
    answer="text",
    texts=("source",),
    target="target",
    prompt="{source}\n\nRewritten:",
    primary="edit_f05",
    measures=("edit_f05", "gleu", "sari", "chrf", "rouge_l", "bits_per_byte", "bert_score"),
    metrics=texts.measured,
    statistics=texts.resampled,
    judges=(
        text_metrics.edits,
        corrections.gleu,
        corrections.sari,
        text_metrics.chrf,
        text_metrics.rouge,
    ),
    worst="chrf",
    rivals=("copy",),
)
