"""The settings that a search tries next: Optuna draws them, until they make a recipe."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from pipelines.errors import Refused
from pipelines.search_space import unfit

if TYPE_CHECKING:
    from optuna import Study

    from pipelines.recipe import Recipe
    from pipelines.search_space import Values
    from pipelines.search_study import Place

DRAWS = 500  # that make no recipe, one after the other: so will those to come


def settings_drawn(study: Study, place: Place, number: int) -> dict[str, Any]:
    """Settings that make a recipe, drawn as if no process had ever been killed; `number` is how many trials there were.

    Raises Refused when none is found.
    """
    from optuna.trial import TrialState

    draft, space = _draft(study, place.search.seed, number), distributions(place)
    reason: str | None = None
    for lost in range(DRAWS):
        trial = draft.ask(space)
        reason, before = unfit(place.recipe, trial.params), reason
        if reason is None:
            if lost:
                print(f"{lost} drawn settings make no recipe and are not trained; the last: {before}", flush=True)
            return dict(trial.params)
        # Optuna learns nothing of a failed trial: what fits is drawn as if there were nothing else.
        draft.tell(trial, state=TrialState.FAIL)
    raise Refused(f"none of {DRAWS} settings that were drawn makes a recipe, the last: {reason}; change search.space")


def distributions(place: Place) -> dict[str, Any]:
    """What each setting is drawn from, in the order of the draws."""
    return {key: _distribution(key, values, place.recipe) for key, values in sorted(place.search.space.items())}


def _draft(study: Study, seed: int, number: int) -> Study:
    """The trials of a study in memory, where what is drawn in vain leaves no trace."""
    import numpy as np
    import optuna

    # One seed for all would draw the same settings again after every start.
    drawn_from = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        sampler = optuna.samplers.TPESampler(seed=drawn_from, constant_liar=True)
    draft = optuna.create_study(sampler=sampler, direction=study.direction)
    draft.add_trials([trial for trial in study.get_trials(deepcopy=False) if trial.state.name != "FAIL"])
    return draft


def _distribution(key: str, values: Values, recipe: Recipe) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if values.choices is not None:
        return CategoricalDistribution(values.choices)
    kind = type(recipe.finetune).model_fields[key.rpartition(".")[2]].annotation
    if kind is float:
        return FloatDistribution(float(values.low or 0), float(values.high or 0), log=values.log)
    return IntDistribution(int(values.low or 0), int(values.high or 0), log=values.log)
