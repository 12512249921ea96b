"""Run by a test: ingest in a child that can be killed at its n-th change of a file. One JSON order a line.

{"root": folder with in/ and recipes/, "kill_at": n or null} is answered with the child's exit code, or the negative of
the signal that ended it. Beside root stand what it announced, in ROOT.announced, and the number of changes of a child
that ended, in ROOT.changes.
"""

import importlib
import json
import os
import sys
from pathlib import Path

from pipelines.ingest import ingest
from pipelines.recipe_file import load_recipe
from pipelines.settings import read_settings
from tests.change_data import kill_at


def obey(order):
    root = Path(order["root"])
    os.environ |= {"SCRIPTORIUM_HOME": str(root / "home"), "SCRIPTORIUM_DATA": str(root / "data")}
    heard = root.with_name(f"{root.name}.announced")
    changes = kill_at(order["kill_at"], str(root))

    def announce(outcome):
        with heard.open("a") as file:
            file.write(f"{outcome.md5}\n")

    recipe = load_recipe(root / "recipes" / "mine.toml")
    ingest(str(root / "in"), recipe, read_settings(), announce=announce, say=lambda _: None)
    root.with_name(f"{root.name}.changes").write_text(str(changes()))


if __name__ == "__main__":
    # Once here, not again in each child; polars starts no thread before its first query.
    for module in (
        "botocore.exceptions",
        "dvc.data_cloud",
        "dvc.fs",
        "great_expectations",
        "numpy",
        "pandas",
        "polars",
    ):
        importlib.import_module(module)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            obey(json.loads(line))
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
