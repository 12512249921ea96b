"""The step that lets only sound data through: reads every file a recipe names, and says what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.tasks import TASKS
from models.tasks.task import Task
from pipelines.artifact import sha256_file, write_json
from pipelines.data_metrics import Metrics, Places, corpus_metrics, examples_metrics, read_table, split_metrics
from pipelines.errors import Refused
from pipelines.expectations import CORPUS, Check, examples_checks, judge, splits_checks
from pipelines.recipe import Data
from pipelines.rows import FORMATS
from pipelines.steps import Work

SPLITS = ("train", "validation", "test")
Outcome = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """A file, or the splits together: its metrics, where the offenders stand, and what is expected."""

    name: str
    metrics: Metrics
    places: Places
    checks: Sequence[Check]


def validate(work: Work) -> None:
    """Check the corpora and examples of the run's recipe; write validation.json and validation.html.

    Raises Refused, naming file, line, check, value, limit and cure, after keeping both pages where they can be read.
    """
    recipe, dataset = work.run.recipe, work.inputs["dataset"]
    found = check_data(dataset, recipe.data, recipe.task)
    # The recipe's name stays out: recipes that read the same data share what is made from it.
    result = {"dataset_md5": work.run.dataset_md5, "examples": recipe.data.examples, **found}
    print(_table(found["checks"]), flush=True)
    if failed := [outcome for outcome in found["checks"] if not outcome["passed"]]:
        kept = work.settings.home / "refused" / f"{recipe.name}-{work.run.dataset_md5}"
        kept.mkdir(parents=True, exist_ok=True)
        _write(kept, result)
        reasons = "\n".join(f"- {explain(outcome)}" for outcome in failed)
        raise Refused(
            f"the data is refused: {len(failed)} checks failed\n{reasons}\nAll checks: {kept}/validation.html"
        )
    _write(work.out, result)


def check_data(dataset: Path, data: Data, task_name: str) -> dict[str, Any]:
    """Every check on the data below `dataset` that a recipe names: {"checks", "files", "great_expectations"}."""
    subjects = list(_subjects(dataset, data, TASKS[task_name]))
    judged = {s.name: judge(s.name, s.metrics, s.checks) for s in subjects}
    return {
        "checks": [outcome for s in subjects for outcome in _outcomes(s, judged[s.name])],
        "files": {s.name: sha256_file(dataset / s.name) for s in subjects if (dataset / s.name).is_file()},
        "great_expectations": judged,
    }


def explain(outcome: Outcome) -> str:
    """One failed check in words: where, what, the limit and the cure."""
    places = f" ({'; '.join(outcome['places'])})" if outcome["places"] else ""
    return (
        f"{outcome['subject']}: {outcome['what']}: {_number(outcome['observed'])}, "
        f"allowed {outcome['limit']}{places}; {outcome['cure']}"
    )


def _subjects(dataset: Path, data: Data, task: Task) -> Iterator[Subject]:
    """Each corpus, each split, and the splits together."""
    corpora, splits = {}, {}
    for name in dict.fromkeys((data.corpus, data.replay.corpus)):
        print(f"reading {name}", flush=True)
        corpora[name] = read_table(dataset / name, FORMATS["unlabeled"], ("text",), None)
        yield Subject(name, *corpus_metrics(corpora[name]), CORPUS)
    for split in SPLITS:
        name = f"{data.examples}/{split}.jsonl"
        print(f"reading {name}", flush=True)
        splits[split] = read_table(dataset / name, FORMATS[task.name], task.texts, task.target)
        yield Subject(name, *examples_metrics(splits[split], task), examples_checks(task))
    yield Subject(data.examples, *split_metrics(splits, corpora[data.corpus], task), splits_checks(task))


def _outcomes(subject: Subject, judged: Sequence[Mapping[str, Any]]) -> Iterator[Outcome]:
    for check in subject.checks:
        verdicts = [j["success"] for j in judged if j["expectation_config"]["kwargs"].get("column") == check.metric]
        passed = bool(verdicts) and all(verdicts)
        yield {
            "subject": subject.name,
            "metric": check.metric,
            "what": check.what,
            "observed": round(subject.metrics[check.metric], 6),
            "limit": limit(check),
            "passed": passed,
            "places": [] if passed else subject.places.get(check.metric, []),
            "cure": "" if passed else check.cure,
        }


def limit(check: Check) -> str:
    """The bound of a check in words."""
    return f"at least {check.at_least:,g}" if check.at_least is not None else f"at most {check.at_most:,g}"


def _table(checks: Sequence[Outcome]) -> str:
    """The checks as aligned text, for the task's log."""
    lines, subject = [], None
    for outcome in checks:
        if outcome["subject"] != subject:
            subject = outcome["subject"]
            lines.append(f"{subject}")
        mark = "ok  " if outcome["passed"] else "FAIL"
        lines.append(f"  {mark} {outcome['what']:<52} {_number(outcome['observed']):>12}  {outcome['limit']}")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4f}"


def _write(folder: Path, result: Mapping[str, Any]) -> None:
    from pipelines.page import render

    write_json(folder / "validation.json", result)
    names = dict.fromkeys(outcome["subject"] for outcome in result["checks"])
    groups = [(name, [o for o in result["checks"] if o["subject"] == name]) for name in reversed(names)]
    page = render("validation.html", **result, groups=groups, number=_number)
    (folder / "validation.html").write_text(page, encoding="utf-8")
