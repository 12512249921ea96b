"""A finished run for tests of decisions: real artifacts of every step, sealed as the steps would, with a tiny model."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.artifact import publish, read_json, seal, sha256_text
from pipelines.artifact_root import uri_of
from pipelines.mirror import manifest_of, send
from pipelines.recipe_file import parse_recipe
from pipelines.run import freeze, new_run, read_run
from pipelines.steps import made_from, target_of
from pipelines.tracked_trainings import Tracked

if TYPE_CHECKING:
    from pipelines.dossier import Dossier
    from pipelines.settings import Settings

MD5 = "0123456789abcdef0123456789abcdef.dir"
TEST = '{"id": "ec2/1", "text_a": "creates a table", "text_b": "deletes", "label": "no", "lang": "en"}\n'
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "deletes", "creates", "lists", "a", "the", "table", "bucket", "user"]


RECIPE = """
name = "checker"
description = "Does the summary belong to the document?"
task = "pair_classification"
[data]
corpus = "corpus/domain.jsonl"
examples = "tasks/summary_check"
replay = { corpus = "corpus/general.jsonl", share = 0.1 }
[base]
model = "tiny"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
[pretrain]
objective = "masked"
tokens = 1000
[[gates]]
metric = "accuracy"
at_least = 0.7
[[gates]]
metric = "accuracy"
above = "baseline"
[[gates]]
metric = "accuracy"
not_below = "champion"
margin = 0.02
[review]
reviewers = ["reviewer"]
approvals_for_first_release = 1
"""


def finished_run(settings: Settings, run_id: str, **changes: Any) -> tuple[str, str]:
    """Freeze a run and make its artifacts as the steps would; returns the URIs of the run and of its report.

    `seed` decides the model, `champion` is the artifact to compare with, `accuracy` the score, `recipe` other keys,
    `beside` files beside the report.
    """
    seed = changes.get("seed", 1)
    values = tomllib.loads(RECIPE) | {"seed": seed} | changes.get("recipe", {})
    md5 = changes.get("dataset_md5", MD5)
    run = new_run(parse_recipe(values, "test"), run_id, md5, changes.get("requester", "engineer"))
    run_uri = freeze(run, settings)
    dataset = artifact(settings, run_uri, "dataset", {}, {"tasks/summary_check/test.jsonl": TEST})
    validation = artifact(settings, run_uri, "validate", {"dataset": dataset}, {"validation.html": "<p>valid</p>"})
    base = artifact(
        settings, run_uri, "base", {"dataset": dataset, "validation": validation}, {"model/config.json": "{}"}
    )
    adapted = artifact(settings, run_uri, "pretrain", {"dataset": dataset, "base": base}, {"model/config.json": "{ }"})
    files = changes.get("model") or {"model/model.safetensors": f"weights {seed}", "model/config.json": "{}"}
    tuned = artifact(settings, run_uri, "finetune", {"dataset": dataset, "model": adapted}, files)
    inputs = {"dataset": dataset, "base": base, "adapted": adapted, "tuned": tuned}
    if run.recipe.evaluate.control:
        beside = {"dataset": dataset, "model": base}
        inputs["control"] = artifact(settings, run_uri, "finetune", beside, {"model/config.json": "{}"})
    if run.recipe.releases_student:
        inputs["teacher"] = tuned
        inputs["tuned"] = artifact(settings, run_uri, "distil", {"dataset": dataset, "teacher": tuned}, files)
    if changes.get("champion"):
        inputs["champion"] = uri_of(changes["champion"], settings)
    report = report_of(changes.get("accuracy", 0.8), bool(changes.get("champion")), changes.get("examples", EXAMPLES))
    report["differing"] = changes.get("differing", [])
    html = {"report.html": "<p>report</p>", "report.json": json.dumps(report), **changes.get("beside", {})}
    return run_uri, artifact(settings, run_uri, "evaluate", inputs, html)


def dossier_of(settings: Settings, **changes: Any) -> Dossier:
    """The dossier of a finished run, judged; nothing of it stands in MLflow."""
    from pipelines.check_gates import Evidence, artifacts_of, assemble
    from pipelines.gates import judge
    from pipelines.policy_file import policy_sha256

    run_uri, report_uri = finished_run(settings, changes.pop("run_id", "manual__1"), **changes)
    run = read_run(run_uri)
    artifacts = artifacts_of(report_uri, run, None, settings)
    evidence = Evidence(run_uri, run, artifacts, read_json(Path(report_uri) / "report.json"))
    return assemble(
        evidence, judge(run.recipe.gates, evidence.report), None, Tracked("mlflow-run", "7"), policy_sha256(settings)
    )


def artifact(settings: Settings, run_uri: str, step: str, inputs: dict[str, str], files: dict[str, str | Path]) -> str:
    """Seal files under a step's name, from the facts that the step itself would have had."""
    facts = made_from(step, read_run(run_uri), {name: manifest_of(uri).digest for name, uri in inputs.items()})
    folder = settings.work / "made" / step
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.read_bytes() if isinstance(content, Path) else content.encode())
    seal(folder, step, facts, inputs)
    target = target_of(step, facts, settings)
    publish(folder, target)
    return send(target, settings)


EXAMPLES = [
    {
        "id": "ec2/1",
        "text_a": "creates a table",
        "text_b": "deletes | the *table* <b>",
        "label": "no",
        "prediction": "no",
        "probability": 0.12,
        "champion_prediction": None,
        "champion_probability": None,
    }
]


def report_of(accuracy: float, has_champion: bool, examples: list[dict[str, Any]]) -> dict[str, Any]:
    def around(value: float) -> dict[str, float]:
        return {"value": value, "low": value - 0.01, "high": value + 0.01}

    held = {"version": "1", "metrics": {"accuracy": around(0.79)}, "difference": around(accuracy - 0.79)}
    return {
        "recipe": "checker",
        "task": "pair_classification",
        "dataset_md5": MD5,
        "n": 1200,
        "groups": 400,
        "test_sha256": sha256_text(TEST),
        "primary": "accuracy",
        "metrics": {"accuracy": around(accuracy), "f1": around(accuracy)},
        "baselines": {"overlap": {"metrics": {"accuracy": 0.64}, "difference": around(accuracy - 0.64)}},
        "champion": held if has_champion else None,
        "control": None,
        "bits_per_byte_change": {"domain": -0.1, "general": 0.01},
        "curves": {"finetune": [{"step": n, "loss": 1 / n} for n in range(1, 4)]},
        "examples": examples,
    }


def tiny_classifier(folder: Path, seed: int) -> dict[str, Path]:
    """Save a two-label encoder of a few thousand weights; returns its files by their name in an artifact."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    torch.manual_seed(seed)
    words = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=words, model_max_length=32, **special).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=32, id2label={0: "no", 1: "yes"}, label2id={"no": 0, "yes": 1},
    )  # fmt: skip
    BertForSequenceClassification(config).eval().save_pretrained(folder)
    return {f"model/{path.name}": path for path in folder.iterdir()}
