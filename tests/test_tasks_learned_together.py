"""Several tasks learn over one backbone in one training; the recipe's own chooses the epoch, and is what is kept."""

import re
from pathlib import Path
from typing import Any

import pytest

from models.tasks import TASKS
from pipelines.artifact import read_json
from pipelines.settings import ROOT, read_settings
from pipelines.steps import Work, make
from tests.evidence import artifact
from tests.small_evaluation import dataset, frozen, lines
from tests.toy_models import TEXTS
from tests.training_work import does, write_splits
from tests.two_tasks import ENCODER, MIXED, PLACE, place, rows, work
from tests.two_tasks import encoder as encoder  # noqa: PLC0414 - the fixture


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


@pytest.mark.slow
def test_every_kind_of_task_an_encoder_does_is_learned_beside_one_and_beside_a_model_without_a_head(encoder: Path):
    from models.backbone import load_bi_encoder
    from pipelines.finetune import finetune

    others = [task.name for task in TASKS.values() if "masked" in task.objectives]
    for task in others:
        found = rows(task, MIXED)
        write_splits(encoder / "dataset/tasks" / task, train=found[:40], validation=found[40:60])
    write_splits(encoder / "dataset/tasks/retrieval", test=rows("retrieval", MIXED)[60:70])
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
