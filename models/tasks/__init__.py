"""TASKS: every content task, by the name that a recipe uses."""

from models.tasks.classification import CLASSIFICATION
from models.tasks.generation import GENERATION
from models.tasks.pair_classification import PAIR_CLASSIFICATION
from models.tasks.task import Task

TASKS: dict[str, Task] = {
    "classification": CLASSIFICATION,
    "generation": GENERATION,
    "pair_classification": PAIR_CLASSIFICATION,
}
