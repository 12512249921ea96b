"""One ingest DAG a recipe: begun by hand, by the clock, or by what is dropped; it tells the trainings that wait."""

import json
import os
import subprocess
import sys

import pytest

from pipelines.errors import Refused
from pipelines.settings import ROOT
from tests.dropped_files import recipe_in

pytestmark = pytest.mark.slow

LOOK = """
import json, dags.ingest, dags.train
from airflow.sdk import DAG
found = {}
for module in (dags.ingest, dags.train):
    for dag in vars(module).values():
        if isinstance(dag, DAG):
            condition = getattr(dag.timetable, "asset_condition", None)
            assets = getattr(condition, "objects", [])
            found[dag.dag_id] = {
                "timetable": type(dag.timetable).__name__,
                "assets": [asset.name for asset in assets],
                "triggers": [w.trigger.serialize() for asset in assets for w in asset.watchers],
                "outlets": {t.task_id: [o.name for o in t.outlets] for t in dag.tasks if t.outlets},
                "upstream": {t.task_id: sorted(t.upstream_task_ids) for t in dag.tasks},
                "params": {key: dag.params.get_param(key).value for key in dag.params},
                "roles": dag.params.get_param("into").schema["enum"] if "into" in dag.params else [],
                "at_once": dag.max_active_runs,
            }
print(json.dumps(found))
"""


def look(tmp_path, extra):
    recipe_in(tmp_path / "recipes", extra)
    environ = os.environ | {
        "AIRFLOW_HOME": str(tmp_path / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "PYTHONPATH": str(ROOT),
        "SCRIPTORIUM_RECIPES": str(tmp_path / "recipes"),
    }
    done = subprocess.run([sys.executable, "-c", LOOK], cwd=ROOT, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_without_a_word_in_the_recipe_nothing_begins_by_itself(tmp_path):
    found = look(tmp_path, "")
    ingest = found["ingest__mine"]
    assert (ingest["timetable"], found["train__mine"]["timetable"]) == ("NullTimetable", "NullTimetable")
    assert ingest["params"] == {"source": None, "into": ""}
    assert ingest["upstream"] == {"ingest": [], "announce": ["ingest"]}
    assert ingest["outlets"] == {"announce": ["dataset"]}
    assert ingest["at_once"] == 1


def test_what_comes_in_can_be_of_an_earlier_domain_or_an_auxiliary_task_too(tmp_path):
    extra = """[[data.earlier]]
name = "law"
corpus = "corpus/law.jsonl"
[[finetune.auxiliary]]
task = "summarisation"
examples = "tasks/headlines"
"""
    roles = look(tmp_path, extra)["ingest__mine"]["roles"]
    assert roles[:6] == ["", "corpus", "replay", "train", "validation", "test"]
    assert roles[6:] == ["law", "tasks-headlines-train", "tasks-headlines-validation"]


def test_a_folder_can_be_watched_and_looked_at_by_the_clock_and_new_data_be_trained_on(tmp_path):
    drop = tmp_path / "in"
    extra = f'[ingest]\nsource = "{drop}"\ncron = "0 2 * * *"\nwatch = true\n[retrain]\non_new_data = true'
    found = look(tmp_path, extra)
    ingest, train = found["ingest__mine"], found["train__mine"]
    assert (ingest["timetable"], ingest["assets"]) == ("AssetOrTimeSchedule", ["dropped_for_mine"])
    ((trigger, given),) = ingest["triggers"]
    assert trigger.endswith("DirectoryFileDeleteTrigger")
    assert (given["directory"], given["filename"]) == (str(drop), "_READY")
    assert ingest["params"]["source"] == str(drop)
    assert (train["timetable"], train["assets"]) == ("AssetTriggeredTimetable", ["dataset"])


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ('[ingest]\ncron = "0 2 * * *"', "cron needs a source"),
        ('[ingest]\nsource = "in"\ncron = "at two"', "not a cron expression"),
        ('[ingest]\nsource = "s3://b/in/"\nwatch = true', "watch is for folders"),
        ('[ingest]\nsource = "in"\nwatched = true', "did you mean 'watch'?"),
        (
            '[ingest]\nsource = "s3://b/in/"\nqueue = "https://sqs"',
            "providers-amazon, which is not installed",
        ),
        ("[retrain]\non_new_date = true", "did you mean 'on_new_data'?"),
        ('[retrain]\ncron = "weekly"', "not a cron expression"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_with_its_place(tmp_path, extra, message):
    with pytest.raises(Refused, match=message.replace("?", r"\?")):
        recipe_in(tmp_path, extra)
