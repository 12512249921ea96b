"""A finder's answers reach the rows that a desk learns from, and the questions that it is asked when it is served."""

import io
import json
import sys

import pytest

from models.tasks.dialog import DIALOG, asked
from pipelines import dossier as dossiers
from pipelines import flow, local, promote, registry
from pipelines.artifact import read_json
from pipelines.check_gates import check_gates
from pipelines.dataset import commit_data
from pipelines.examples import examples
from pipelines.mirror import here
from pipelines.rows import read_rows
from pipelines.run import freeze
from pipelines.settings import read_settings
from tests.command import scriptorium
from tests.promotions import review_of
from tests.small_evaluation import corpus
from tests.toy_models import TEXTS
from tests.training_work import write_splits

pytestmark = pytest.mark.service

RECIPE = """
name = "{name}"
description = "The smallest that there is"
task = "{task}"
[data]
corpus = "corpus/domain.jsonl"
examples = "tasks/{name}"
replay = {{ corpus = "corpus/general.jsonl", share = 0.1 }}
[base]
model = {model}
tokens = 2_000
[pretrain]
objective = "{objective}"
tokens = 0
[finetune]
epochs = 1
max_length = 64
[evaluate]
control = false
[[gates]]
metric = "{metric}"
at_least = 0.0
[review]
reviewers = ["reviewer"]
approvals_for_first_release = 1
"""
FINDER = {"task": "retrieval", "model": '{ scratch = "micro-encoder" }', "objective": "masked", "metric": "mrr"}
DESK = {"task": "dialog", "objective": "causal", "metric": "grounding"}
TEMPLATE = """{% for message in messages %}{{ message.role + ': ' + message.content + '<|end|>' }}{% endfor %}
{% if add_generation_prompt %}assistant: {% endif %}"""
PARTS = {"train": TEXTS[::2], "validation": TEXTS[1::4], "test": TEXTS[3::4]}


@pytest.fixture
def settings(mlflow_settings, tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SCRIPTORIUM_THREADS", "1")
    texts = ({**row, "text": row["text"][::-1]} for row in corpus("seed"))
    write_splits(tmp_path / "data" / "corpus", domain=(rows := list(texts)), general=rows)
    return read_settings()


def known(text):
    """What is known about a toy text: its thing and its place."""
    return " ".join(text.rstrip(".").split()[2::3])


def dialog(text):
    said = {"user": text, "assistant": f"It is {known(text)}."}
    return {"id": text, "lang": "en", "messages": [{"role": role, "content": said[role]} for role in said]}


def released(settings, name, kind):
    """All steps of a recipe up to its champion; returns its report."""
    (settings.recipes / f"{name}.toml").write_text(RECIPE.format(name=name, **kind))
    commit_data()
    run = local.decide(name, {}, "manual__1", settings)
    run_uri = freeze(run, settings)
    report = flow.train(run_uri, run, None)
    uri = check_gates(run_uri, {"report": report})
    dossier, candidate = dossiers.read(uri, settings), registry.register(run_uri, {"dossier": uri})
    promote.release(dossier, review_of(dossier, candidate), settings)
    return read_json(here(report) / "report.json")


@pytest.fixture
def ask(capfd, monkeypatch):
    """A command that reads what is given to it, and what it wrote; so commands stand in a pipe."""

    def asked(given, *arguments, code=0):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
        return scriptorium(capfd, *arguments, "--input", "-", code=code)

    return asked


def talking_decoder(folder):
    """A decoder as a hub holds those that were taught to talk: with a chat template."""
    from models import backbone
    from models.scratch import scratch

    model, tokenizer = scratch("micro-decoder", TEXTS, 7)
    backbone.save(model, tokenizer, folder)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


def test_what_a_finder_knows_is_learned_from_and_answered_with(settings, product, ask, capfd, tmp_path):
    finder, desk = f"{product}_finder", product
    faq = {
        split: [{"id": text, "question": text, "answer": known(text), "lang": "en"} for text in texts]
        for split, texts in PARTS.items()
    }
    write_splits(settings.data / "tasks" / finder, **faq)
    released(settings, finder, FINDER)

    folder = settings.data / "tasks" / desk
    write_splits(folder)
    for split, texts in PARTS.items():
        rows = "".join(json.dumps(dialog(text)) + "\n" for text in texts)
        said = ask(rows, "look-up", finder, "--out", str(folder / f"{split}.jsonl"))
        assert said.out == ""
    answers = {known(text) for text in TEXTS}
    for text, row in zip(PARTS["train"], read_rows(folder / "train.jsonl"), strict=True):
        assert row == dialog(text) | {"context": row["context"], "context_from": f"models:/{finder}/1"}
        assert len(set(row["context"]) & answers) == 3
    assert all(asked(row).head.startswith("Known: ") for row in examples(DIALOG, folder / "train.jsonl"))
    capfd.readouterr()
    report = released(settings, desk, {**DESK, "model": f'"{talking_decoder(tmp_path / "talking")}"'})
    assert "dialogs are laid out by the model's own chat template" in capfd.readouterr().out
    assert 0 <= report["metrics"]["grounding"]["value"] <= 1

    question = json.dumps({"id": "1", "messages": [{"role": "user", "content": TEXTS[3]}]}) + "\n"
    found = ask(question, "look-up", finder, "--top", "5").out
    best = [
        one["answer"] for one in json.loads(ask(json.dumps({"question": TEXTS[3]}), "predict", finder).out)["answers"]
    ]
    assert json.loads(found) == json.loads(question) | {"context": best, "context_from": f"models:/{finder}/1"}
    answered = json.loads(ask(found, "predict", desk).out)
    assert answered == json.loads(question) | {"context": best, "prediction": answered["prediction"]}
    assert isinstance(answered["prediction"], str)

    twice = ask(question + found, "look-up", finder, "--out", str(tmp_path / "twice.jsonl"), code=10)
    assert "standard input, line 2: it has a context; leave the row out, or give --replace" in twice.err
    assert not (tmp_path / "twice.jsonl").exists()
    again = json.loads(ask(found, "look-up", finder, "--top", "1", "--replace").out)
    assert again["context"] == best[:1]
    other = ask(question, "look-up", desk, code=10)
    assert f"{desk} is of the task dialog, and finds no answers; name a recipe of the task retrieval" in other.err
