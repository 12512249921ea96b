"""Translation: a text in, the same in another language out."""

from models import text_metrics
from models.tasks import texts
from models.tasks.task import Task

TRANSLATION = Task(
    name="translation",
    format="translation",
    version=1,
    answer="text",
    texts=("source",),
    target="target",
    prompt="{source}\n\n{source_lang} - {target_lang}:",
    primary="chrf",
    measures=("chrf", "bleu", "ter", "bits_per_byte", "bert_score"),
    metrics=texts.measured,
    statistics=texts.resampled,
    judges=(
        text_metrics.chrf,
        text_metrics.bleu,
        text_metrics.ter,
    ),
    worst="chrf",
    rivals=("nearest",),
)
