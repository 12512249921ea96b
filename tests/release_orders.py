"""Run by a test: promote or restore in a child that can be killed at its n-th change. One JSON order a line.

{"restore": name, "kill_at": n} or {"promote": URI of a dossier, "candidate": URI, "kill_at": n} is answered with the
child's exit code, or the negative of the signal that ended it. What the child changes is files of the artifact root
and what MLflow keeps; its scratch files are not counted.
"""

import importlib
import json
import os
import sys

from pipelines import dossier as dossiers
from pipelines.champion import changing
from pipelines.promote import release
from pipelines.restore import restore
from pipelines.settings import read_settings
from tests.killing import kill_at
from tests.promotions import review_of

BERT = "transformers.models.bert.modeling_bert"


def obey(order):
    settings = read_settings()
    kill_at(order["kill_at"], settings.artifacts)
    if "restore" in order:
        restore(order["restore"], None, "ada", "it invents prices", settings)
        return
    dossier = dossiers.read(order["promote"], settings)
    with changing(dossier.name, settings):
        release(dossier, review_of(dossier, order["candidate"]), settings)


if __name__ == "__main__":
    # Once here, not again in each child; none of these starts a thread before it is used.
    for module in ("httpcore", "mlflow.pyfunc", "mlflow.tracing.provider", "models.predict", "models.backbone", BERT):
        importlib.import_module(module)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            obey(json.loads(line))
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
