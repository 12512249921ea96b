"""The step that lets only sound data through: reads every file a recipe names, and says what is wrong with it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from models.tasks import TASKS
from pipelines.artifact import sha256_file, write_json
from pipelines.augment_files import require_files
from pipelines.auxiliary_recipe import Auxiliary
from pipelines.behaviour_files import require_cases
from pipelines.bias_files import read_pairs
from pipelines.changed_rows import require_changed
from pipelines.check_files import read_set
from pipelines.click_labels import require_both_labels
from pipelines.data_plots import plots_of
from pipelines.data_summary import Summary
from pipelines.errors import Refused
from pipelines.examples import test_file
from pipelines.expectations import Check
from pipelines.facts import View
from pipelines.findings import ORDER, Place
from pipelines.formats import FORMATS
from pipelines.impersonal import impersonal_names
from pipelines.judgement import Judged, Subject, judged, other_task_subject, pair_subject, used_subject, value
from pipelines.leaks import corpus_measures, heldout_measures
from pipelines.limits import Limits
from pipelines.page import render
from pipelines.recipe import Data
from pipelines.sketch import Sketch
from pipelines.slice_members import require_slices
from pipelines.sources import Source
from pipelines.steps import Work
from pipelines.suites import corpus_checks, heldout_checks
from pipelines.tally import Role, Tally

SPLITS: dict[str, Role] = {"train": "training", "validation": "evaluation", "test": "evaluation"}
AUXILIARY: dict[str, Role] = {"train": "auxiliary", "validation": "evaluation"}
Outcome = dict[str, Any]


def validate(work: Work) -> None:
    """Check the corpora and examples of the run's recipe; write validation.json and validation.html.

    Raises Refused, naming file, line, check, value, limit and cure, after keeping both pages where they can be read.
    """
    recipe, dataset = work.run.recipe, work.inputs["dataset"]
    require_files(dataset, recipe.finetune.augment)
    found = check_data(dataset, recipe.data, recipe.task, recipe.validation, recipe.finetune.auxiliary)
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
    task, test = TASKS[recipe.task], test_file(dataset, recipe)
    require_both_labels(dataset, recipe)
    require_slices(task, test, recipe.evaluate.slices)
    require_changed(task, test, recipe.evaluate.robustness)
    require_cases(dataset, recipe)
    if recipe.evaluate.bias:
        read_pairs(dataset, recipe.evaluate.bias)
    _write(work.out, result)


def check_data(
    dataset: Path, data: Data, task_name: str, limits: Limits, auxiliary: Sequence[Auxiliary] = ()
) -> dict[str, Any]:
    """Every check on the data below `dataset` that a recipe names: {"checks", "files", "summaries", ...}.

    What would set a row aside when it comes in refuses the data here, for a version of the data is used as it is.
    """
    with tempfile.TemporaryDirectory(prefix="scriptorium-") as scratch:
        summaries: dict[str, Summary] = {}
        every = subjects(dataset, data, task_name, limits, Path(scratch), summaries, auxiliary)
        found = [judged(subject) for subject in every]
    names = [each.subject.name for each in found]
    return {
        "checks": [outcome for each in found for outcome in _outcomes(each)],
        "files": {name: sha256_file(dataset / name) for name in names if (dataset / name).is_file()},
        "summaries": {name: summary.model_dump(mode="json") for name, summary in summaries.items()},
        "great_expectations": {each.subject.name: list(each.results) for each in found},
    }


def subjects(  # noqa: PLR0913, PLR0917
    dataset: Path,
    data: Data,
    task: str,
    limits: Limits,
    scratch: Path,
    summaries: dict[str, Summary],
    auxiliary: Sequence[Auxiliary] = (),
) -> Iterator[Subject]:
    """Each corpus, each split, the splits compared, the test set against the corpus, and the auxiliary tasks' examples.

    What the rows of each file hold is added to `summaries`.
    """
    now = datetime.now(UTC)

    def read(name: str, form: str, place: str, role: Role, labels: Sequence[str] | None = None) -> Tally:
        return _read(dataset, name, View(FORMATS[form], limits, None, now), scratch / place, role, summaries, labels)

    corpora: dict[str, Tally] = {}
    for name in dict.fromkeys(data.corpora.values()):
        corpora[name] = read(name, "unlabeled", f"corpus-{len(corpora)}", "training")
        yield used_subject(name, corpora[name])
        yield Subject(f"{name}: held out", heldout_measures(corpora[name]), heldout_checks())
    splits = {}
    for split, role in SPLITS.items():
        name = f"{data.examples}/{split}.jsonl"
        splits[split] = read(name, TASKS[task].format, split, role, data.labels)
        yield used_subject(name, splits[split])
    for one, other in (("test", "train"), ("test", "validation"), ("validation", "train")):
        yield pair_subject(f"{data.examples}: {one} in {other}", splits[one], splits[other])
    for name, corpus in corpora.items():
        measures = corpus_measures(splits["test"], corpus, dataset / name)
        yield Subject(f"{data.examples}: test in {name}", measures, corpus_checks(FORMATS[TASKS[task].format], limits))
    for number, further in enumerate(auxiliary):
        learned: dict[str, Tally] = {}
        for split, name in further.files.items():
            form, role = TASKS[further.task].format, AUXILIARY[split]
            learned[split] = read(name, form, f"auxiliary-{number}-{split}", role)
            yield used_subject(name, learned[split])
        yield pair_subject(f"{further.examples}: validation in train", learned["validation"], learned["train"])
        for split in ("test", "validation"):
            name = f"{data.examples}: {split} in {further.files['train']}"
            yield other_task_subject(name, splits[split], learned["train"])


def explain(outcome: Outcome) -> str:
    """One failed check in words: where, what, the limit and the cure."""
    places = f" ({'; '.join(outcome['places'])})" if outcome["places"] else ""
    return (
        f"{outcome['subject']}: {outcome['what']}: {_number(outcome['observed'])}, "
        f"allowed {outcome['limit']}{places}; {outcome['cure']}"
    )


def limit(check: Check) -> str:
    """The bound of a check in words."""
    return f"at least {check.at_least:,g}" if check.at_least is not None else f"at most {check.at_most:,g}"


def _read(  # noqa: PLR0913, PLR0917
    dataset: Path,
    name: str,
    view: View,
    scratch: Path,
    role: Role,
    summaries: dict[str, Summary],
    labels: Sequence[str] | None = None,
) -> Tally:
    path = dataset / name
    if not path.is_file():
        raise Refused(
            f"{path} is missing; the recipe names it: `scriptorium ingest` brings data in (docs/your-own-data.md), or "
            "correct the recipe"
        )
    scratch.mkdir()
    tally, sketch = Tally(view, [name], scratch, labels, role), Sketch(view)
    print(f"reading {name}", flush=True)
    read_set(tally, [Source(name, path)], print, sketch=sketch)
    summaries[name] = sketch.summary()
    return tally


def _outcomes(found: Judged) -> Iterator[Outcome]:
    """One outcome for every name of a check: of those that are not met, the gravest."""
    subject, failed = found.subject, found.failed
    for name in dict.fromkeys(check.name for check in subject.checks):
        same = [check for check in subject.checks if check.name == name]
        unmet = [check for check in same if check in failed]
        check = max(unmet, key=lambda check: ORDER.index(check.severity)) if unmet else same[0]
        met, measure = check not in failed, subject.measures[name]
        yield {
            "subject": subject.name,
            "metric": check.metric,
            "what": check.what,
            "observed": round(value(check, measure), 6),
            "limit": limit(check),
            "severity": "accept" if met else check.severity,
            "passed": met or check.severity == "warn",
            "places": [] if met else [_where(place) for place in measure.places[:3]],
            "cure": "" if met else check.cure,
        }


def _where(place: Place) -> str:
    return place.file if place.line is None else f"{place.file} line {place.line}"


def _table(checks: Sequence[Outcome]) -> str:
    """The checks as aligned text, for the task's log."""
    marks = {"accept": "ok  ", "warn": "warn", "quarantine": "FAIL", "reject": "FAIL"}
    lines, subject = [], None
    for outcome in checks:
        if outcome["subject"] != subject:
            subject = outcome["subject"]
            lines.append(f"{subject}")
        mark = marks[outcome["severity"]]
        lines.append(f"  {mark} {outcome['what']:<52} {_number(outcome['observed']):>12}  {outcome['limit']}")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4f}"


def _write(folder: Path, result: Mapping[str, Any]) -> None:
    write_json(folder / "validation.json", result)
    names = dict.fromkeys(outcome["subject"] for outcome in result["checks"])
    groups = [(name, [o for o in result["checks"] if o["subject"] == name]) for name in reversed(names)]
    summaries = {name: impersonal_names(Summary.model_validate_json(json.dumps(found)))
                 for name, found in result["summaries"].items()}  # fmt: skip
    plots = {name: plots_of(summary, None) for name, summary in summaries.items()}
    page = render("validation.html", **result, groups=groups, plots=plots, number=_number)
    (folder / "validation.html").write_text(page, encoding="utf-8")
