"""The trigger form of a training DAG: typed, with the recipe's own values as defaults."""

from typing import get_args

from airflow.sdk import Param

from pipelines.recipe import Method, Recipe
from pipelines.recipe_file import form_values


def trigger_form(recipe: Recipe) -> dict[str, Param]:
    """One parameter for each of `pipelines.recipe_file.PARAMETERS`, and `refresh`."""
    values = form_values(recipe)
    return {
        "base": Param(
            values["base"],
            type="string",
            title="Base model",
            description="hf://org/name or a folder. The recipe's pinned digest holds for its own base only.",
            section="Model",
        ),
        "method": Param(
            values["method"],
            enum=list(get_args(Method)),
            title="Fine-tuning method",
            description="full: every weight; head: the last layer; others: few weights beside them (docs/methods.md).",
            section="Model",
        ),
        "tokens": Param(
            values["tokens"],
            type="integer",
            minimum=0,
            title="Continued pretraining, tokens",
            description="Tokens of domain and replayed text; 0 leaves the base model as it is.",
            section="Training",
        ),
        "epochs": _epochs(recipe, values["epochs"]),
        "learning_rate": Param(
            values["learning_rate"],
            type="number",
            exclusiveMinimum=0,
            exclusiveMaximum=1,
            title="Fine-tuning, learning rate",
            description="The highest rate of the schedule.",
            section="Training",
        ),
        "seed": Param(
            values["seed"],
            type="integer",
            minimum=0,
            title="Seed",
            description="The same seed gives the same weights on the same machine.",
            section="Run",
        ),
        "refresh": Param(
            False,
            type="boolean",
            title="Train again",
            description="Make every step anew, even where a whole output of the same inputs exists.",
            section="Run",
        ),
    }


def _epochs(recipe: Recipe, shown: int) -> Param:
    return Param(
        shown,
        type="integer",
        # A language model that is asked for labels by words may answer as it came.
        minimum=0 if recipe.finetune.prompt else 1,
        maximum=100,
        title="Fine-tuning, epochs",
        description="How often every training example is seen.",
        section="Training",
    )
