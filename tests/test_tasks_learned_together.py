"""Several tasks learn over one backbone in one training; the recipe's own chooses the epoch, and is what is kept."""

import random
import re
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from models.tasks import TASKS
from pipelines.artifact import read_json
from pipelines.check_files import read_set
from pipelines.errors import Refused
from pipelines.facts import View
from pipelines.formats import FORMATS
from pipelines.judgement import other_task_subject
from pipelines.limits import Limits
from pipelines.lineage import KeptRun
from pipelines.recipe_file import load_recipe
from pipelines.routing import form_of, labels_of, targets
from pipelines.run import Run, new_run
from pipelines.settings import ROOT, read_settings
from pipelines.sources import Source
from pipelines.steps import Work, made_from, make
from pipelines.tally import Tally
from pipelines.validate import subjects
from tests.bounds import beyond_bounds
from tests.evidence import artifact
from tests.small_evaluation import dataset, frozen, lines
from tests.toy_models import TEXTS
from tests.training_work import does, work_of, write_splits

MIXED = random.Random(5).sample(TEXTS, len(TEXTS))
RECIPES = ROOT / "pipelines" / "recipes"
PLACE = {"task": "classification", "examples": "tasks/place"}
ENCODER = {
    "task": "classification",
    "gates": [],
    "finetune.epochs": 8,
    "finetune.max_length": 32,
    "finetune.batch_size": 8,
    "finetune.learning_rate": 3e-3,
    "finetune.auxiliary": [PLACE],
}


def place(text: str) -> str:
    return text.split()[5].rstrip(".")


def rows(task: str, texts: list[str]) -> list[dict[str, Any]]:
    """Rows of a task whose answers stand in the texts: what is done, and where."""
    found: list[dict[str, Any]] = []
    for n, (one, other) in enumerate(pairwise([*texts, texts[0]])):
        row = {
            "classification": {"text": one, "label": place(one)},
            "multi_label": {"text": one, "labels": [place(one), does(one)]},
            "pair_classification": {"text_a": one, "text_b": other, "label": str(does(one) == does(other))},
            "retrieval": {"question": one, "answer": place(one)},
            "recommendation": {
                "user_id": f"u{n % 3}",
                "item_id": f"i{n}",
                "title": "A text",
                "rating": 4.0,
                "text": one,
                "timestamp": 1_000_000 + n,
                "label": int(place(one) == "account"),
            },
        }[task]
        found.append({"id": str(n), "lang": "en", **row})
    return found


def work(folder: Path, changes: dict[str, Any], recipe: str = "summary_checker") -> Work:
    """What a fine-tuning gets: the recipe's own task asks what is done in a text, "tasks/place" for its place."""
    values = load_recipe(RECIPES / f"{recipe}.toml", changes)
    shared = folder.parent
    return work_of(values, folder, {"dataset": shared / "dataset", "model": shared / "base"})


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    """An encoder, examples of what is done, and more examples of the place."""
    from models import backbone
    from models.scratch import scratch

    own = [{"id": str(n), "text": text, "label": does(text), "lang": "en"} for n, text in enumerate(MIXED)]
    write_splits(tmp_path / "dataset/tasks/summary_check", train=own[:60], validation=own[60:90])
    further = rows("classification", MIXED)
    write_splits(tmp_path / "dataset/tasks/place", train=further[:90], validation=further[90:])
    backbone.save(*scratch("micro-encoder", TEXTS * 3, 7), tmp_path / "base" / "model")
    return tmp_path


def validated(made: Work) -> dict[str, float]:
    """What the epoch that was kept validated with."""
    metrics = read_json(made.out / "metrics.json")
    found: dict[str, float] = metrics["epochs"][metrics["best_epoch"] - 1]["validation"]
    return found


def accuracy(folder: Path, texts: list[str]) -> float:
    """How often a saved classifier knows what is done in a text."""
    from models.backbone import load_classifier
    from models.predict import classify

    model, tokenizer = load_classifier(folder)
    assert set(model.config.label2id) == {"read", "write"}
    answers = classify(model, tokenizer, [(text,) for text in texts])
    return sum(max(a, key=a.__getitem__) == does(text) for a, text in zip(answers, texts, strict=True)) / len(texts)


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


def run_of(changes: dict[str, Any]) -> Run:
    return new_run(load_recipe(RECIPES / "summary_checker.toml", ENCODER | changes), "test", "0" * 32, "tester")


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


@pytest.mark.slow
def test_an_encoder_learns_both_tasks_and_is_saved_as_a_classifier_of_its_own(encoder: Path):
    from pipelines.finetune import finetune

    made = work(encoder / "work", ENCODER)
    finetune(made)
    found = validated(made)
    (further,) = read_json(made.out / "metrics.json")["auxiliary"]
    assert found["accuracy"] > 0.8
    assert further["validation"]["accuracy"] == found["tasks/place/accuracy"] > 0.6
    assert accuracy(made.out / "model", MIXED[60:90]) == pytest.approx(found["accuracy"], abs=1e-6)


@pytest.mark.parametrize(
    ("sizes", "temperature", "counts"),
    [
        ([80, 80], 1, [10]),
        ([80, 320], 1, [40]),
        ([80, 320], 2, [20]),
        ([80, 320, 20], 2, [20, 5]),
        ([80, 320], 100, [10]),
        ([8000, 8], 1, [1]),
    ],
)
def test_a_tasks_share_of_the_batches_is_its_examples_to_the_power_of_one_by_the_temperature(
    sizes, temperature, counts
):
    from models.mixing import shares

    assert shares(10, sizes, temperature) == counts


def plan_of(items: int, size: int, epochs: int, name: str) -> Any:
    """A plan whose batches name it and hold their items."""
    from models.losses import Loss
    from models.schedule import Plan

    batches = [list(range(items))[start : start + size] for start in range(0, items, size)]
    return Plan(
        [batches] * epochs, lambda found, epoch: {"of": name, "items": list(found), "epoch": epoch}, Loss(tuple)
    )


def test_an_epoch_has_every_batch_of_the_own_task_once_and_goes_on_with_the_others_where_the_last_one_ended():
    from models.mixing import mixed_plan

    plans = [plan_of(6, 2, 2, "own"), plan_of(8, 2, 2, "long"), plan_of(2, 2, 2, "short")]
    plan = mixed_plan(plans, [None, None], temperature=2.0, seed=3)
    seen = [plan[n] for n in range(len(plan))]
    own = [sorted(b["items"] for b in seen if b["of"] == "own" and b["epoch"] == epoch) for epoch in (0, 1)]
    assert own == [[[0, 1], [2, 3], [4, 5]]] * 2
    # Three times the root of 8/6, and of 2/6; in an epoch's order, the long one's batches go round.
    assert [len(epoch) for epoch in plan.epochs] == [3 + 3 + 2] * 2
    long = [sorted(b["items"][0] for b in seen if b["of"] == "long" and b["epoch"] == epoch) for epoch in (0, 1)]
    assert long == [[0, 2, 4], [0, 2, 6]]
    assert {len({task for task, _ in items}) for epoch in plan.epochs for items in epoch} == {1}


def test_the_order_of_the_batches_is_that_of_the_seed():
    from models.mixing import mixed_plan

    def order(seed: int) -> Any:
        return mixed_plan([plan_of(40, 2, 2, "own"), plan_of(40, 2, 2, "other")], [None], 1.0, seed).epochs

    assert order(3) == order(3) != order(4)


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


@pytest.mark.slow
def test_every_kind_of_task_an_encoder_does_is_learned_beside_one_and_beside_a_model_without_a_head(encoder: Path):
    from models.backbone import load_bi_encoder
    from pipelines.finetune import finetune

    others = [task.name for task in TASKS.values() if "masked" in task.objectives]
    for task in others:
        found = rows(task, MIXED)
        write_splits(encoder / "dataset/tasks" / task, train=found[:40], validation=found[40:60], test=found[60:70])
    auxiliary = [{"task": task, "examples": f"tasks/{task}"} for task in others if task != "retrieval"]
    few = {"task": "retrieval", "data.examples": "tasks/retrieval", "finetune.epochs": 1, "finetune.method": "lora"}
    made = work(encoder / "work", ENCODER | few | {"finetune.auxiliary": auxiliary})
    finetune(made)
    learned = read_json(made.out / "metrics.json")["auxiliary"]
    assert [one["task"] for one in learned] == [one["task"] for one in auxiliary]
    assert all(0 <= one["validation"][one["metric"]] <= 1 for one in learned)
    assert {path.name for path in (made.out / "model").iterdir()} >= {"model.safetensors", "answers.jsonl"}
    model, _ = load_bi_encoder(made.out / "model")
    assert not [name for name, _ in model.named_parameters() if "head" in name or "auxiliary" in name]


@pytest.mark.slow
def test_a_decoder_learns_both_tasks_by_their_prompts_one_of_them_a_task_that_was_just_added(tmp_path, monkeypatch):
    from models import backbone
    from models.scratch import scratch
    from pipelines.finetune import finetune

    defined: dict[str, Any] = {}
    page = (ROOT / "docs" / "adding-a-task.md").read_text(encoding="utf-8")
    exec(re.findall(r"```python\n(.*?)```", page, re.DOTALL)[0], defined)
    monkeypatch.setitem(TASKS, "headline", defined["HEADLINE"])
    own = [{"id": text, "prompt": f"In the {place(text)}", "completion": f" {place(text)}"} for text in MIXED]
    further = [{"id": t, "document": t.split(maxsplit=1)[0], "summary": f" {does(t)}", "lang": "en"} for t in MIXED]
    changes = {
        "data.examples": "tasks/own",
        "finetune.epochs": 12,
        "finetune.learning_rate": 3e-3,
        "finetune.batch_size": 8,
        "finetune.max_length": 48,
        "base.model.scratch": "micro-decoder",
        "finetune.auxiliary": [{"task": "headline", "examples": "tasks/headline"}],
    }
    for name, found in (("own", own), ("headline", further)):
        write_splits(tmp_path / "dataset/tasks" / name, train=found[:90], validation=found[90:])
    backbone.save(*scratch("micro-decoder", TEXTS * 3, 7), tmp_path / "base" / "model")
    made = work(tmp_path / "work", changes, "docs_writer")
    finetune(made)
    # Who knows the words and not which one it is needs two bits for a place of four, and one for what is done.
    sizes = [
        sum(len(row[key]) for row in found[90:]) / 30 for found, key in ((own, "completion"), (further, "summary"))
    ]
    found = validated(made)
    assert found["bits_per_byte"] < 2 / sizes[0]
    assert found["tasks/headline/bits_per_byte"] < 1 / sizes[1]
    backbone.load_causal(made.out / "model")


@pytest.mark.slow
def test_each_batch_is_read_by_its_own_tasks_model_and_its_parts_add_up(encoder: Path):
    from models.parts import parts
    from pipelines.answers import kind_of
    from pipelines.auxiliary import further_tasks, mixed

    made = work(encoder / "work", ENCODER)
    model, _, own, validation = kind_of(TASKS["classification"]).training(made)
    further = further_tasks(made, model)
    plan, _ = mixed(made, own, validation, further)
    assert further[0].model.encoder is model.encoder
    models, plans = (model, further[0].model), (own, further[0].plan)
    for number in range(8):
        task = plan[number]["task"]
        items = [n for _, n in plan.items(number)[0]]
        expected = plans[task].loss(models[task].eval(), plans[task].collate(items, 0)).item()
        assert plan.loss(model, plan[number]).item() == pytest.approx(expected)
        halves = sum(weight * plan.loss(model, part).item() for part, weight in parts(plan, number, 2))
        assert halves == pytest.approx(expected, rel=1e-4)
    assert {plan[number]["task"] for number in range(8)} == {0, 1}


@pytest.mark.slow
def test_it_goes_from_data_to_a_report_that_tells_what_was_learned_at_the_same_time(encoder, tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SCRIPTORIUM_THREADS", "1")
    own = [{"id": f"own-{n}", "text": text, "label": does(text), "lang": "en"} for n, text in enumerate(MIXED)]
    further = rows("classification", MIXED)
    files = dataset(lambda split: {"train": own[:40], "validation": own[40:60], "test": own[60:80]}[split])
    files |= {"tasks/place/train.jsonl": lines(further[80:110]), "tasks/place/validation.jsonl": lines(further[110:])}
    files |= {f"corpus/{n}.jsonl": lines(statutes(n)) for n in ("domain", "general")}
    settings = read_settings()
    run = frozen(
        settings,
        task="classification",
        base={"model": {"scratch": "micro-encoder"}, "tokens": 500},
        pretrain={"objective": "masked", "tokens": 500},
        finetune={"epochs": 1, "max_length": 32, "auxiliary": [PLACE]},
        validation={"near_duplicates": False},
        gates=[{"metric": "accuracy", "at_least": 0.1}],
    )
    made = {"dataset": artifact(settings, run, "dataset", {}, files)}
    made["validation"] = make("validate", run, {"dataset": made["dataset"]})
    made["base"] = make("base", run, {name: made[name] for name in ("dataset", "validation")})
    made["adapted"] = make("pretrain", run, {name: made[name] for name in ("dataset", "base")})
    made["tuned"] = make("finetune", run, {"dataset": made["dataset"], "model": made["adapted"]})
    judged = ("dataset", "base", "adapted", "tuned")
    folder = Path(make("evaluate", run, {name: made[name] for name in judged}))
    (further_task,) = read_json(folder / "report.json")["auxiliary"]
    assert (
        further_task["validation"]["accuracy"]
        == read_json(Path(made["tuned"]) / "metrics.json")["auxiliary"][0]["validation"]["accuracy"]
    )
    assert "<code>tasks/place</code>" in (folder / "report.html").read_text()


def statutes(name: str) -> list[dict[str, str]]:
    """A corpus without a text of the examples."""
    texts = [f"Article {n} of the {name} law rules what a {word} owes." for n in range(4) for word in ("bank", "heir")]
    return [
        {"id": text, "text": text, "lang": "en", "domain": name, "split": "heldout" if n % 4 == 0 else "train"}
        for n, text in enumerate(texts)
    ]
