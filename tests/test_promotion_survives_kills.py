"""Killed between any two of their changes, promote and restore leave a whole champion, and the next run ends them."""

import json
import signal
import subprocess
import sys

import pytest

from pipelines import ledger, registry
from pipelines.audit import audit
from pipelines.champion import champion, load
from pipelines.dossier import dossier_uri
from pipelines.settings import ROOT
from pipelines.tracking import connect
from tests.promotions import ROW, candidate, released

pytestmark = [pytest.mark.service, pytest.mark.timeout(900)]


@pytest.fixture
def order(mlflow_settings):
    """Give an order to tests/release_orders.py; whether its child was killed before it came to its end."""
    command = [sys.executable, "-m", "tests.release_orders"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:

        def give(**wanted):
            process.stdin.write(json.dumps(wanted) + "\n")
            process.stdin.flush()
            ended = int(process.stdout.readline())
            assert ended in (0, -signal.SIGKILL)
            return ended != 0

        yield give
        process.stdin.close()


@pytest.fixture
def promotion(mlflow_settings, product):
    """A champion, and the order to promote an approved candidate that compared with it."""
    released(mlflow_settings, product)
    changes = {"seed": 2, "champion": champion(product, mlflow_settings).folder, "accuracy": 0.83}
    dossier, uri = candidate(mlflow_settings, product, run_id="manual__2", **changes)
    return {"promote": dossier_uri(dossier.sha256, mlflow_settings), "candidate": uri}


def history(product, settings):
    return ledger.read(ledger.ledger_path(product, settings))


def held(product, settings):
    return registry.holder(connect(settings), product)


def at_last(product, settings):
    """What is done for good, and not done again by the next run: bytes copied, entries written, the alias moved."""
    copied = ledger.ledger_path(product, settings).parent.parent.glob(f"production/{product}/[!.]*")
    return len(list(copied)), len(history(product, settings)), held(product, settings)


def answer(product, settings):
    """What the model that holds `champion` answers, once every file of it proved to be the one that was registered."""
    with load(product, held(product, settings), settings) as model:
        return model.predict([ROW])[0]["probability"]


def state(product, settings):
    """The version registered last, the one that has the alias, the champion by the ledger, and what answers."""
    entries = history(product, settings)
    registered = [entry.facts["version"] for entry in entries if entry.event == "registered"]
    now = ledger.of_champion(entries).facts["version"]
    return registered[-1], held(product, settings), now, answer(product, settings)


def killed_before_each_change(wanted, product, settings, give):
    """Kill it before its first change, then before its second, until it ends by itself; the state after every kill.

    Counted anew from whatever is done for good, for the next run begins behind it.
    """
    number, done, met = 0, at_last(product, settings), []
    while give(**wanted, kill_at=number):
        before, done = done, at_last(product, settings)
        number = number + 1 if done == before else 0
        met.append(state(product, settings))
    return met


def test_killed_before_each_of_their_changes_promote_and_restore_keep_a_whole_champion_and_end(
    mlflow_settings, product, promotion, order
):
    _, _, _, old = state(product, mlflow_settings)
    met = killed_before_each_change(promotion, product, mlflow_settings, order)
    assert audit(product, mlflow_settings)["problems"] == []
    version, _, _, new = released_now = state(product, mlflow_settings)
    assert new != old
    # Versions that a kill left out of the ledger are in MLflow, and nobody's: `reconcile` takes them away.
    states = [("1", "1", "1", old), (version, "1", "1", old), (version, version, "1", new), released_now]
    assert list(dict.fromkeys(met)) == states
    assert len(met) >= 30
    assert registry.aliases(connect(mlflow_settings), f"{product}-candidates") == {}

    met = killed_before_each_change({"restore": product}, product, mlflow_settings, order)
    assert audit(product, mlflow_settings)["problems"] == []
    assert list(dict.fromkeys(met)) == [released_now, (version, "1", version, old), (version, "1", "1", old)]
    assert state(product, mlflow_settings) == met[-1]
    assert len(met) >= 8
    events = [entry.event for entry in history(product, mlflow_settings)]
    assert events == ["registered", "promoted", "registered", "promoted", "restored"]
