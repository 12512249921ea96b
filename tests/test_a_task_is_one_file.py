"""docs/adding-a-task.md is true: the file that it shows, and a line in TASKS, make a task that is judged and served."""

import re

import pytest

from models.tasks import TASKS
from pipelines.settings import ROOT
from tests.small_evaluation import settings as settings  # noqa: PLC0414 - the fixture
from tests.test_every_task_is_evaluated import (
    test_from_rows_to_a_report_whose_examples_the_model_answers_when_served as evaluated_and_served,
)

PAGE = (ROOT / "docs" / "adding-a-task.md").read_text(encoding="utf-8")


@pytest.fixture
def task(monkeypatch):
    defined = {}
    exec(re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0], defined)
    monkeypatch.setitem(TASKS, "headline", defined["HEADLINE"])
    return defined["HEADLINE"]


def test_a_recipe_may_name_it_and_must_use_its_metrics(task):
    from pipelines.errors import Refused
    from pipelines.recipe_file import load_recipe

    writer = ROOT / "pipelines" / "recipes" / "docs_writer.toml"
    gates = {"gates": [{"metric": "rouge_l", "above": "baseline"}]}
    assert load_recipe(writer, {"task": "headline", **gates}).task == "headline"
    with pytest.raises(Refused, match="headline has no metric 'accuracy'"):
        load_recipe(writer, {"task": "headline", "gates": [{"metric": "accuracy", "at_least": 0.5}]})


@pytest.mark.slow
def test_it_goes_from_rows_to_a_report_and_to_a_served_answer(task, settings, tmp_path):
    evaluated_and_served(task, task.objective, settings, tmp_path)
