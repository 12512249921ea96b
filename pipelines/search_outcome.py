"""What a search found: its trials, the best settings to paste, what mattered, and a page with plots."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipelines import search_study
from pipelines.examples import validated_by
from pipelines.locks import lock
from pipelines.page import write_page
from pipelines.search_page import search_page

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from pipelines.run import Run
    from pipelines.search_study import Place

WORDS = {"COMPLETE": "whole", "PRUNED": "ended early", "FAIL": "given up", "RUNNING": "under way", "WAITING": "waits"}


def finished(run: Run, place: Place) -> dict[str, Any]:
    """What was found, with its page written: `page` is where."""
    found = outcome(run, place)
    page = place.folder / "search.html"
    write_page(page, search_page(found, f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"))
    return {**found, "page": str(page)}


def outcome(run: Run, place: Place) -> dict[str, Any]:
    """The trials of a study as plain values, numbered from 1; `best` is None where none came to its end."""
    with lock(place.lock, "another process chooses its next trial"):
        study = search_study.study_at(place)
    whole = search_study.whole(study)
    best = study.best_trial if whole else None
    return {
        "recipe": run.recipe.name,
        "study": place.folder.name,
        "dataset_md5": run.dataset_md5,
        "metric": validated_by(run.recipe),
        "higher_is_better": place.higher_is_better,
        "space": {key: values.model_dump(exclude_none=True) for key, values in place.search.space.items()},
        "spent": search_study.spent(study, place.search),
        "seconds": round(search_study.seconds(study), 1),
        "trials": [_told(trial) for trial in study.trials],
        "best": _told(best) if best else None,
        "importance": search_study.importance(study, place.search.seed),
    }


def as_toml(settings: dict[str, Any]) -> str:
    """Settings such as {"finetune.epochs": 3} as a table of a recipe."""
    rows = [f"{key.removeprefix('finetune.')} = {toml_value(value)}" for key, value in settings.items()]
    return "\n".join(["[finetune]", *rows])


def as_options(settings: dict[str, Any]) -> str:
    """The same as options of `scriptorium train`."""
    # A bare word is a text there, and quotes would be the shell's.
    return " ".join(
        f"--set {key}={value if isinstance(value, str) else toml_value(value)}" for key, value in settings.items()
    )


def toml_value(value: Any) -> str:
    """A number, text or truth as TOML writes it."""
    return json.dumps(value)


def _told(trial: FrozenTrial) -> dict[str, Any]:
    return {
        "number": trial.number + 1,
        "state": WORDS[trial.state.name],
        "value": trial.value if trial.state.name == "COMPLETE" else None,
        "settings": trial.params,
        "epochs": [trial.intermediate_values[step] for step in sorted(trial.intermediate_values)],
        "seconds": trial.user_attrs.get("seconds"),
        "why": str(trial.user_attrs.get("why", "")),
    }
