"""Run by a test: change the data in a child that can be killed at its n-th change of a file. One JSON order a line.

{"home", "data": folders, "rows": file, "kill_at": n or null} is answered with the child's exit code, or the negative of
the signal that ended it.
"""

import importlib
import json
import os
import sys
from pathlib import Path

from pipelines.add_rows import add_rows
from pipelines.settings import read_settings
from pipelines.versions import Cause, pin
from tests.killing import kill_at


def change(order):
    os.environ |= {"SCRIPTORIUM_HOME": order["home"], "SCRIPTORIUM_DATA": order["data"]}
    settings = read_settings()
    if order["kill_at"] is not None:
        kill_at(order["kill_at"], str(Path(order["data"]).parent))
    if order.get("pin"):
        pin(order["pin"], Cause("the test goes back", "ada"), settings)
    else:
        add_rows({order["file"]: Path(order["rows"])}, "replace", Cause("the test adds", "ada"), settings)


if __name__ == "__main__":
    # Once here, not again in each child.
    for module in ("botocore.exceptions", "dvc.data_cloud", "dvc.fs", "numpy"):
        importlib.import_module(module)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            change(json.loads(line))
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
