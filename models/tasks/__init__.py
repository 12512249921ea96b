"""TASKS: every content task, by the name that a recipe uses."""

from models.tasks.classification import CLASSIFICATION
from models.tasks.dialog import DIALOG
from models.tasks.generation import GENERATION
from models.tasks.multi_label import MULTI_LABEL
from models.tasks.pair_classification import PAIR_CLASSIFICATION
from models.tasks.recommendation import RECOMMENDATION
from models.tasks.retrieval import RETRIEVAL
from models.tasks.rewriting import REWRITING
from models.tasks.summarisation import SUMMARISATION
from models.tasks.task import Task
from models.tasks.translation import TRANSLATION

TASKS: dict[str, Task] = {
    "classification": CLASSIFICATION,
    "dialog": DIALOG,
    "generation": GENERATION,
    "multi_label": MULTI_LABEL,
    "pair_classification": PAIR_CLASSIFICATION,
    "recommendation": RECOMMENDATION,
    "retrieval": RETRIEVAL,
    "rewriting": REWRITING,
    "summarisation": SUMMARISATION,
    "translation": TRANSLATION,
}
