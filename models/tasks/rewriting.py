"""Rewriting: a text in, the same corrected, polished, simplified or in other words out."""

from typing import Literal

from models import corrections, text_metrics
from models.prompt import Prompt
from models.tasks import texts
from models.tasks.task import Row, Task, given

Kind = Literal["correct", "polish", "simplify", "paraphrase"]
# What each kind is asked by; a text of which no kind is said is asked by the last.
ASKED_BY: dict[Kind | None, str] = {
    "correct": "Corrected",
    "polish": "Polished",
    "simplify": "Simplified",
    "paraphrase": "Paraphrased",
    None: "Rewritten",
}


def asked(row: Row) -> Prompt:
    """The text, and a line that says what is to be done with it; this stays when a text loses its end.

    Raises ValueError for a kind that there is not.
    """
    kind = given(row, "kind")
    if kind not in tuple(ASKED_BY):
        known = ", ".join(name for name in ASKED_BY if name)
        raise ValueError(f"kind: there is no such kind of rewriting; take one of {known}, or leave it out")
    return Prompt(f"\n\n{ASKED_BY[kind]}:", head=str(row["source"]))


REWRITING = Task(
    name="rewriting",
    format="rewriting",
    version=1,
    answer="text",
    texts=("source",),
    target="target",
    optional=("kind",),
    ask=asked,
    primary="edit_f05",
    measures=(
        "edit_f05",
        "edit_precision",
        "edit_recall",
        "gleu",
        "sari",
        "chrf",
        "rouge_l",
        "bits_per_byte",
        "bert_score",
    ),
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
