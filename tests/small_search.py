"""A search small enough for a test: a tiny adapted encoder, sixty pairs, and a frozen run with a [search]."""

import sys
import tomllib
from itertools import count

from pipelines.recipe_file import parse_recipe
from pipelines.run import freeze, new_run
from pipelines.settings import read_settings
from tests.evidence import MD5, RECIPE, artifact
from tests.small_evaluation import base_of, dataset, model_files
from tests.toy_models import TEXTS, encoder_folder

SPACE = {"finetune.learning_rate": {"low": 1e-5, "high": 1e-2, "log": True}, "finetune.epochs": [1, 2]}
NUMBERS = count()
FINETUNE = {"batch_size": 16, "max_length": 48}


def pairs(split):
    """Right and wrong pairs; those of the test rows are told apart by nobody, for no trial may look at them."""
    for number, text in enumerate(TEXTS[:48]):
        other = text if number % 2 else TEXTS[(number + 7) % 48]
        label = ("yes" if number % 2 else "no") if split != "test" else "yes"
        yield {"id": f"{split}-{number}", "text_a": text, "text_b": other, "label": label}


def prepared(folder, name="checker", finetune=(), md5=MD5, **search):
    """A frozen run, and the inputs of its trials; SCRIPTORIUM_HOME must be set."""
    settings = read_settings()
    values = tomllib.loads(RECIPE) | {"name": name, "finetune": FINETUNE | dict(finetune)}
    recipe = parse_recipe(values | {"search": {"space": SPACE, "trials": 3} | search}, "test")
    run = new_run(recipe, f"r{next(NUMBERS)}", md5, "engineer")
    run_uri = freeze(run, settings)
    data = artifact(settings, run_uri, "dataset", {}, dataset(pairs))
    encoder = encoder_folder(folder / "encoder") if not (folder / "encoder").exists() else folder / "encoder"
    base = base_of(settings, run_uri, data, model_files(encoder, 2.0, 2.0))
    model = artifact(settings, run_uri, "pretrain", {"dataset": data, "base": base}, model_files(encoder, 1.0, 2.0))
    return run, run_uri, {"dataset": data, "model": model}


if __name__ == "__main__":
    from pipelines.search import work_on

    work_on(sys.argv[1], {"dataset": sys.argv[2], "model": sys.argv[3]})
