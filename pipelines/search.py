"""A search for better settings: what stays the same is made once, then trials until the budget is spent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.metrics import HIGHER_IS_BETTER
from pipelines import mirror, search_study
from pipelines.errors import Refused
from pipelines.examples import validated_by
from pipelines.recipe import Recipe
from pipelines.recipe_file import recipe_named
from pipelines.run import Run, freeze, id_now, read_run
from pipelines.search_space import Search
from pipelines.search_study import Place, next_trial
from pipelines.settings import Settings, read_settings
from pipelines.steps import Work, made_from, make

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

    from pipelines.search_trial import Result

HOPELESS = 3  # trials that are all refused: so are those to come


def search(recipe: str, changes: dict[str, Any], budget: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """Search the settings of a recipe in this process, and say what was found.

    `budget` are the keys of its [search] that say how long, such as {"search.trials": 30}.

    Raises Refused when the recipe has no [search], or when its settings are all refused.
    """
    from pipelines.local import decide
    from pipelines.search_outcome import finished
    from pipelines.search_tracking import record_where_possible

    sought(recipe_named(recipe, settings))
    run = decide(recipe, changes | budget, id_now("search"), settings)
    run_uri = freeze(run, settings)
    inputs = prepared(run_uri)
    work_on(run_uri, inputs)
    found = finished(run, place_of(run, inputs, settings))
    return {**found, "mlflow": record_where_possible(found, run, settings)}


def worked(run_uri: str, inputs: Mapping[str, str]) -> str:
    """What one of several tasks of Airflow does: try settings beside the others. Returns the folder of the study."""
    made = {name: inputs[name] for name in ("dataset", "model")}
    work_on(run_uri, made)
    return str(place_of(read_run(run_uri), made, read_settings()).folder)


def summary(run_uri: str, inputs: Mapping[str, str]) -> str:
    """Say what was found, in MLflow too. Returns the page. Raises Refused when no trial came to its end."""
    from pipelines.search_outcome import as_toml, finished
    from pipelines.search_tracking import record_search
    from pipelines.tracking import run_page

    settings, run = read_settings(), read_run(run_uri)
    found = finished(run, place_of(run, inputs, settings))
    print(f"MLflow: {run_page(record_search(found, run, settings), settings)}")
    require_best(found)
    print(f"the best settings ({found['metric']} {found['best']['value']:.4f}):\n{as_toml(found['best']['settings'])}")
    return str(found["page"])


def require_best(found: Mapping[str, Any]) -> None:
    """Raise Refused when a search found nothing."""
    if found["best"] is None:
        raise Refused(f"no trial came to its end ({found['spent']}); give the search more trials or minutes")


def sought(recipe: Recipe) -> Search:
    """The search of a recipe. Raises Refused when it has none."""
    if recipe.search is None:
        example = '[search]\nspace."finetune.learning_rate" = { low = 1e-5, high = 1e-3, log = true }'
        raise Refused(f"{recipe.name}.toml does not say what to search; add, for example:\n{example}")
    return recipe.search


def prepared(run_uri: str) -> dict[str, str]:
    """The inputs of every trial: the data that was validated, and the adapted model; made by the ordinary steps."""
    dataset = make("dataset", run_uri, {})
    validation = make("validate", run_uri, {"dataset": dataset})
    base = make("base", run_uri, {"dataset": dataset, "validation": validation})
    return {"dataset": dataset, "model": make("pretrain", run_uri, {"dataset": dataset, "base": base})}


def work_on(run_uri: str, inputs: Mapping[str, str]) -> None:
    """Try settings until the budget of the study is spent; other processes may do the same at the same time."""
    from pipelines.search_trial import tried

    settings, run = read_settings(), read_run(run_uri)
    place = place_of(run, inputs, settings)
    folders = {name: mirror.here(uri) for name, uri in inputs.items()}
    while True:
        with next_trial(place) as trial:
            if trial is None:
                break
            told = ", ".join(f"{key} = {value}" for key, value in trial.params.items())
            print(f"trial {trial.number + 1}: {told}", flush=True)
            scratch = settings.work / "search" / place.folder.name / str(trial.number)
            result = tried(trial, Work(run, folders, scratch, scratch, settings, run_uri))
            _tell(trial, result, place)
    if why := search_study.spent(search_study.study_at(place), place.search):
        print(f"search: {why}", flush=True)


def place_of(run: Run, inputs: Mapping[str, str], settings: Settings) -> Place:
    """Where the study of a run lies: the same for all runs whose trials can be compared."""
    found = sought(run.recipe)
    facts = made_from("finetune", run, {name: mirror.manifest_of(uri).digest for name, uri in inputs.items()})
    metric = validated_by(run.recipe)
    folder = settings.home / "searches" / run.recipe.name / search_study.key_of_study(facts, found)[:16]
    return Place(Path(folder), run.recipe, found, HIGHER_IS_BETTER[metric])


def _tell(trial: Trial, result: Result, place: Place) -> None:
    """Write a result into the study and say how the search stands. Raises Refused when nothing ever works."""
    from optuna.trial import TrialState

    study = trial.study
    if result.value is not None and math.isfinite(result.value):
        study.tell(trial.number, result.value)
    else:
        trial.set_user_attr("why", result.why or "its value is no number")
        study.tell(trial.number, state=TrialState.PRUNED)
    print(f"trial {trial.number + 1} of {place.search.trials}: {_standing(study, result, place)}", flush=True)
    refused = [one for one in study.trials if str(one.user_attrs.get("why", "")).startswith("refused")]
    if len(refused) >= HOPELESS and not search_study.whole(study):
        raise Refused(f"the first {len(refused)} trials were all refused; the last one: {result.why}")


def _standing(study: Study, result: Result, place: Place) -> str:
    said = f"{validated_by(place.recipe)} {result.value:.4f}" if result.value is not None else result.why[:160]
    if search_study.whole(study):
        best: FrozenTrial = study.best_trial
        said += f"; best {best.value:.4f} (trial {best.number + 1})"
    return f"{said}; {_rest(study, place.search)}"


def _rest(study: Study, search: Search) -> str:
    """About how long the search goes on: its trials at their mean length, or what is left of its minutes."""
    ended = [trial for trial in study.trials if trial.state.name in {"COMPLETE", "PRUNED"}]
    left = search_study.seconds(study) / len(ended) * max(0, search.trials - len(ended))
    if search.minutes is not None:
        left = min(left, max(0.0, search.minutes * 60 - search_study.seconds(study)))
    return f"about {left / 60:.0f} min left" if left >= 60 else f"about {left:.0f} s left"
