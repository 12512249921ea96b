"""What is learned beside a recipe's task is checked, keyed, traced and kept from its test rows as its own rows are."""

import random
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from models.tasks import TASKS
from pipelines.check_files import read_set
from pipelines.errors import Refused
from pipelines.facts import View
from pipelines.formats import FORMATS
from pipelines.judgement import other_task_subject
from pipelines.limits import Limits
from pipelines.lineage import KeptRun
from pipelines.recipe_file import load_recipe
from pipelines.routing import form_of, labels_of, targets
from pipelines.sources import Source
from pipelines.steps import made_from
from pipelines.tally import Tally
from pipelines.validate import subjects
from tests.bounds import beyond_bounds
from tests.training_work import write_splits
from tests.two_tasks import ENCODER, MIXED, PLACE, RECIPES, rows, run_of


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ([PLACE | {"task": "clasification"}], "there is no such task; did you mean 'classification'?"),
        ([PLACE, PLACE], "auxiliary.1.examples: 'tasks/place' are another auxiliary"),
        ([PLACE | {"examples": "tasks/place/"}], "'tasks/place/' is written as 'tasks/place'"),
        ([PLACE | {"examples": "../outside"}], "'../outside' leaves data/; name a file or folder below it"),
        ([PLACE | {"examples": "tasks/summary_check"}], "'tasks/summary_check' are the recipe's own examples"),
        (
            [PLACE | {"task": "summarisation"}],
            "summarisation needs a model that writes, and classification, the",
        ),
        ([PLACE | {"example": "tasks/a"}], "unknown key 'finetune.auxiliary.0.example'; did you mean 'examples'?"),
        ({"contrastive": 4}, "finetune.auxiliary: finetune.contrastive"),
        ({"prompt": {"template": "{text} {mask}", "words": {"a": "b", "c": "d"}}}, "finetune.prompt asks for words"),
        ({"epochs": 0}, "finetune.auxiliary: with finetune.epochs = 0 nothing learns"),
        ({"method": "head"}, "finetune.method is 'head', and tasks share what is below their heads"),
        ({"auxiliary": [], "task_temperature": 2.0}, "finetune.task_temperature mixes tasks, and there is one"),
        ({"task_temperature": 0.5}, "finetune.task_temperature: Input should be greater than or equal to 1"),
        ({"auxiliary": [PLACE | {"task": "retrieval"}], "class_weights": True}, "retrieval does not; leave it out"),
        ({"auxliary": []}, "unknown key 'finetune.auxliary'; did you mean 'auxiliary'?"),
    ],
)
def test_what_cannot_be_learned_together_is_refused_when_the_recipe_is_read(changes: Any, message: str):
    values = {"auxiliary": changes} if isinstance(changes, list) else changes
    with pytest.raises(Refused) as refusal:
        load_recipe(RECIPES / "summary_checker.toml", ENCODER | {f"finetune.{key}": v for key, v in values.items()})
    assert message in str(refusal.value)


def test_what_auxiliary_tasks_read_is_in_the_keys_of_the_steps_that_read_it():
    inputs = {"validate": ("dataset",), "finetune": ("dataset", "model"), "pretrain": ("dataset", "base")}

    def keys(examples: str) -> list[dict[str, str]]:
        run = run_of({"finetune.auxiliary": [PLACE | {"examples": examples}]})
        return [made_from(step, run, dict.fromkeys(names, "0")) for step, names in inputs.items()]

    same = [one == other for one, other in zip(keys("tasks/place"), keys("tasks/other"), strict=True)]
    assert same == [False, False, True]


def test_its_files_have_a_place_for_what_comes_in_and_count_as_learned_when_they_are_traced():
    run = run_of({"data.labels": ["a", "b"], "finetune.auxiliary": [PLACE | {"task": "retrieval"}]})
    recipe, files = run.recipe, [f"tasks/place/{split}.jsonl" for split in ("train", "validation", "test")]
    assert targets(recipe)["tasks-place-train"] == files[0]
    assert (form_of(files[0], recipe), labels_of(files[0], recipe)) == ("faq", None)
    kept = KeptRun.model_validate_json(run.model_dump_json())
    assert [kept.use_of(file) for file in files] == ["train", "validation", None]


def leaks(folder: Path, task: str, own: list[dict[str, Any]], further: list[dict[str, Any]]) -> set[str]:
    """The leak checks that rows of the own task do not meet beside training rows of another."""

    def tally(role: Any, task: str, found: list[dict[str, Any]]) -> Tally:
        (folder / role).mkdir(parents=True)
        write_splits(folder, **{f"{role}_rows": found})
        path = folder / f"{role}_rows.jsonl"
        view = View(FORMATS[TASKS[task].format], Limits(), None, datetime.now(UTC))
        tally = Tally(view, [path.name], folder / role, None, role)
        read_set(tally, [Source(path.name, path)], lambda _: None)
        return tally

    both = (tally("evaluation", "classification", own), tally("auxiliary", task, further))
    return {check.name for check in beyond_bounds(other_task_subject("own in further", *both))}


@pytest.mark.parametrize("task", [task.name for task in TASKS.values() if "masked" in task.objectives])
def test_a_text_to_be_judged_by_is_a_leak_wherever_another_task_learns_it_and_an_id_is_none(tmp_path, task: str):
    texts = [f"{text} {' '.join(random.Random(text).choices(text.split(), k=20))}" for text in MIXED]
    own, further = rows("classification", texts[:20]), rows(task, texts[20:])
    assert leaks(tmp_path / "sound", task, own, further) == set()
    column = FORMATS[TASKS[task].format].TEXTS[-1]
    stolen = further[7] | {column: f" {own[5]['text'].upper()} "}
    assert "leakage" in leaks(tmp_path / "leak", task, own, [*further, stolen | {"id": "stolen"}])


@pytest.mark.parametrize("split", ["test", "validation"])
def test_a_leak_into_another_tasks_training_rows_is_found_by_the_step_that_validates(tmp_path, split: str):
    own, further = rows("classification", MIXED[:60]), rows("classification", MIXED[60:])
    splits = {"train": own[:20], "validation": own[20:40], "test": own[40:]}
    write_splits(tmp_path / "tasks/summary_check", **splits)
    corpus = [{"id": text, "text": text, "lang": "en", "domain": "laws"} for text in ("A law.", "Another law.")]
    write_splits(tmp_path / "corpus", domain=corpus, general=corpus)
    write_splits(
        tmp_path / "tasks/place", train=[*further[:40], splits[split][3] | {"id": "stolen"}], validation=further[40:]
    )
    recipe = run_of({}).recipe
    with TemporaryDirectory() as scratch:
        arguments = (recipe.data, recipe.task, recipe.validation, Path(scratch), {}, recipe.finetune.auxiliary)
        found = list(subjects(tmp_path, *arguments))
    leaked = [one for one in found for check in beyond_bounds(one) if check.name == "leakage"]
    assert [one.name for one in leaked] == [f"tasks/summary_check: {split} in tasks/place/train.jsonl"]
