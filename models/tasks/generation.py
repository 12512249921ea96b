"""Generation: a prompt in, a text out."""

from models import text_metrics
from models.tasks import texts
from models.tasks.task import Task

GENERATION = Task(
    name="generation",
    format="generation",
    version=1,
    answer="text",
    texts=("prompt",),
    target="completion",
    prompt="{prompt}",
    keep="end",
    primary="bits_per_byte",
    measures=("bits_per_byte", "rouge_l", "bleu", "chrf"),
    metrics=texts.measured,
    statistics=texts.resampled,
    judges=(
        text_metrics.rouge,
        text_metrics.bleu,
        text_metrics.chrf,
    ),
    worst="rouge_l",
    rivals=("nearest",),
)
