"""The model card: what a dossier says of a model, as Hugging Face's Markdown, in English and in Chinese. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from models.metrics import HIGHER_IS_BETTER
from models.tasks import TASKS
from pipelines.dossier import Dossier
from pipelines.formats import FORMATS
from pipelines.markdown import MARKUP
from pipelines.packet_suites import moved_slices
from pipelines.page import TEMPLATES
from pipelines.verdict import CONFIDENCE, number, p_value, slice_name

if TYPE_CHECKING:
    from huggingface_hub import ModelCardData
    from jinja2 import Environment
    from markupsafe import Markup

    from models.tasks.task import Task

CARD = "README.md"  # the name by which the Hub, and whoever opens a folder, finds it
Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
WORST = 3  # slices that are shown although they did not move
# The parts of a recipe that say how the model was made and judged; who reviews is nobody's business but ours.
SETTINGS = ("seed", "data", "base", "pretrain", "finetune", "distil", "evaluate")
# Parts of a report that older ones lack; a card can be asked of every dossier that there is.
LATER = ("groups", "teacher", "champion", "control", "slices")
# The Hub's names of tasks, by the kind of answer or, where it has a nearer one, by the task.
PIPELINES = {
    "label": "text-classification",
    "labels": "text-classification",
    "text": "text-generation",
    "passage": "sentence-similarity",
    "click": "text-ranking",
    "summarisation": "summarization",
    "translation": "translation",
}
# The Hub's names of metrics, where they are not ours.
METRICS = {
    "auc": "roc_auc",
    "macro_f1": "f1",
    "micro_f1": "f1",
    "rouge_1": "rouge",
    "rouge_2": "rouge",
    "rouge_l": "rouge",
    "bert_score": "bertscore",
}


def model_card(dossier: Dossier, languages: tuple[Language, ...] = LANGUAGES) -> str:
    """Markdown with a YAML head: use, making, scores, limits, loading and provenance, the same text each time.

    The form is that of Mitchell et al. 2019, "Model Cards for Model Reporting", and of the Hugging Face Hub.
    """
    dossier = Dossier.model_validate_json(dossier.text)  # as it was sealed: its keys in their order
    told = _told(dossier)
    parts = [_templates().get_template(f"model_card.{part}.md").render(told) for part in (*languages, "digests")]
    return f"---\n{_head(dossier).to_yaml()}\n---\n\n" + "\n".join(parts)


@cache
def _templates() -> Environment:
    """The templates, in which each value is text and never markup."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    return Environment(  # noqa: S701 - this is Markdown, and finalize escapes every value
        loader=FileSystemLoader(TEMPLATES),
        finalize=lambda value: value if isinstance(value, Markup) else _plain(value),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _plain(value: Any) -> str:
    """A value as one line in which nothing acts as markup; unlike a cell of the packet it is not shortened."""
    return MARKUP.sub(r"\\\1", " ".join(str(value).split()))


def _head(dossier: Dossier) -> ModelCardData:
    """What the Hub reads. No `datasets`, which are names of the Hub: ours stands, with its md5, in the results."""
    from huggingface_hub import EvalResult, ModelCardData

    recipe, task = dossier.recipe, TASKS[dossier.recipe["task"]]
    pipeline = PIPELINES.get(task.name, PIPELINES[task.answer])
    scores = {name: score["value"] for name, score in dossier.report["metrics"].items() if score["value"] is not None}
    results = [
        EvalResult(
            task_type=pipeline,
            task_name=task.name,
            dataset_type=recipe["data"]["examples"],
            dataset_name=recipe["data"]["examples"],
            dataset_split="test",
            dataset_revision=dossier.dataset_md5,
            metric_type=METRICS.get(name, name),
            metric_name=name,
            metric_value=value,
        )
        for name, value in scores.items()
    ]
    return ModelCardData(
        model_name=dossier.name,
        language=list(recipe["language"]),
        tags=["scriptorium", task.name],
        pipeline_tag=pipeline,
        base_model=_on_hub(recipe),
        metrics=list(dict.fromkeys(METRICS.get(name, name) for name in scores)),
        eval_results=results,
    )


def _on_hub(recipe: Mapping[str, Any]) -> str | None:
    """The base as the Hub names it, or the student's; None for a folder, a promoted model, one from scratch."""
    distil = recipe.get("distil") or {}
    model = distil["student"] if distil.get("release") else recipe["base"]["model"]
    return model.removeprefix("hf://") if isinstance(model, str) and model.startswith("hf://") else None


def _told(dossier: Dossier) -> dict[str, Any]:
    """The values of both languages, so that they cannot differ in one."""
    from markupsafe import Markup

    report, task = dossier.report, TASKS[dossier.recipe["task"]]
    return {
        "name": Markup(dossier.name),  # noqa: S704 - small letters, digits and "_": it stands in code, where \\_ is two signs
        "dossier": dossier,
        "recipe": dossier.recipe,
        "report": dict.fromkeys(LATER) | report,
        "task": task,
        "base": _name(dossier.recipe["base"]["model"]),
        "metrics": [(name, _value(score["value"]), _ends(score)) for name, score in report["metrics"].items()],
        "opponents": list(_opponents(dossier)),
        "gates": [(gate, "" if gate.value is None else f"{gate.value:.4f}") for gate in dossier.gates],
        "slices": [_slice(row) for row in _telling(report)],
        "small": [_slice(row) for row in report.get("slices") or [] if not row["judged"]],
        "language": _language(report),
        "unmeasured": [name for name in task.measures if name not in report["metrics"]],
        "detectable": _detectable(dossier),
        "settings": list(_settings({name: dossier.recipe.get(name) for name in SETTINGS})),
        "example": _example(task),
        "seal": dossier.sha256,
        "confidence": f"{CONFIDENCE:.0%}",
        "joined": lambda values: ", ".join(map(str, values)),
    }


def _name(model: Any) -> str:
    return model if isinstance(model, str) else f"scratch: {model['scratch']}"


def _point(score: Any) -> float | None:
    """A metric of another model, which some reports have with its interval."""
    return number(score["value"] if isinstance(score, Mapping) else score)


def _value(value: float | None, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.4f}"


def _ends(score: Mapping[str, Any] | None, sign: str = "") -> str:
    """The interval of a score or of a difference; a dash where there is none."""
    if not score or score["low"] is None or score["high"] is None:
        return "-"
    return f"{score['low']:{sign}.4f} … {score['high']:{sign}.4f}"


def _opponents(dossier: Dossier) -> Iterator[dict[str, str]]:
    """Everything that the model was compared with: {kind, name, value, difference, ends, p}."""
    report = dossier.report
    found = [("baseline", name, other) for name, other in (report.get("baselines") or {}).items()]
    version = dossier.champion.version if dossier.champion else ""
    found += [("champion", version, report.get("champion")), ("control", "", report.get("control"))]
    for kind, name, other in [*found, ("teacher", "", report.get("teacher"))]:
        if other:
            gap, test = other.get("difference"), other.get("mcnemar")
            yield {
                "kind": kind,
                "name": name,
                "value": _value(_point(other["metrics"].get(report["primary"]))),
                "difference": _value(gap["value"] if gap else None, "+"),
                "ends": _ends(gap, "+"),
                "p": p_value(test["p"]) if test else "-",
            }


def _telling(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The slices that moved by more than chance, and of the other judged ones the worst."""
    sign = 1 if HIGHER_IS_BETTER[report["primary"]] else -1
    moved = moved_slices(report)
    others = [row for row in report.get("slices") or [] if row["judged"] and row["moved"] == "unclear"]
    return [*moved, *sorted(others, key=lambda row: sign * float(row["metric"]["value"]))[:WORST]]


def _slice(row: Mapping[str, Any]) -> dict[str, str]:
    score, gap = row["metric"], row["difference"]
    return {
        "name": slice_name(row),
        "n": f"{row['n']:,}",
        "value": _value(score["value"] if score else None),
        "ends": _ends(score),
        "moved": row["moved"] if gap else "",
        "difference": _value(gap["value"] if gap else None, "+"),
    }


def _language(report: Mapping[str, Any]) -> list[tuple[str, str, str, str, str]]:
    """For each kind of text the bits per byte of base, pretrained and fine-tuned model, and the change in all."""
    stages = report.get("bits_per_byte") or {"base": {}}
    return [
        (kind, *(_value(stages[stage][kind]) for stage in ("base", "pretrained", "finetuned")), _change(stages, kind))
        for kind in stages["base"]
    ]


def _change(stages: Mapping[str, Mapping[str, float]], kind: str) -> str:
    return f"{stages['finetuned'][kind] / stages['base'][kind] - 1:+.1%}"


def _detectable(dossier: Dossier) -> str:
    """The difference that the test set detects four times in five, by the gate that sees the least; or nothing."""
    found = [gate.evidence.detectable for gate in dossier.gates if gate.evidence and gate.evidence.detectable]
    return _value(max(found)) if found else ""


def _settings(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Each key that says something, with the sections above it, and its value."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _settings(value, f"{above}{key}.")
        elif value not in (None, [], ()):
            yield f"{above}{key}", value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _example(task: Task) -> Markup:
    """A row as the model is asked, in Python; from our own formats, so that it may stand as it is."""
    from markupsafe import Markup

    extra: Any = FORMATS[task.format].model_config["json_schema_extra"]
    row = extra["examples"][0]
    asked = task.example(row) if task.example else row
    return Markup(json.dumps({name: asked[name] for name in task.columns if name in asked}, ensure_ascii=False))  # noqa: S704
