"""The study of a search: its trials in SQLite, which outlives every process that works on it. An edge to Optuna."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.artifact import canonical, key_of
from pipelines.errors import Refused
from pipelines.locks import lock
from pipelines.search_draw import distributions, settings_drawn
from pipelines.search_space import Search

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

    from pipelines.recipe import Recipe

TRIES = 3  # of the same settings: what ends its process every time is not tried for ever


@dataclass(frozen=True)
class Place:
    """Where a study lies, and what it looks for."""

    folder: Path
    recipe: Recipe
    search: Search
    higher_is_better: bool

    @property
    def lock(self) -> Path:
        return self.folder / "lock"


def key_of_study(facts: dict[str, str], search: Search) -> str:
    """The key of a study: all that its trials depend on but the settings that are drawn, and how they are drawn.

    Not how long it may take: a search is gone on with when it is given more.
    """
    fixed = {name: value for name, value in facts.items() if name.removeprefix("recipe.") not in search.space}
    how = search.model_dump(mode="json", include={"space", "seed", "pruning"})
    return key_of({**fixed, "search": canonical(how)})


def study_at(place: Place) -> Study:
    """The study of a place, made when there is none; call it under the place's lock."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    place.folder.mkdir(parents=True, exist_ok=True)
    # Several workers write: one waits a minute for another before it gives up.
    storage = optuna.storages.RDBStorage(
        f"sqlite:///{place.folder / 'study.db'}", engine_kwargs={"connect_args": {"timeout": 60}}
    )
    none = place.search.pruning == "none"
    return optuna.create_study(
        study_name=place.recipe.name,
        storage=storage,
        direction="maximize" if place.higher_is_better else "minimize",
        pruner=optuna.pruners.NopPruner() if none else optuna.pruners.MedianPruner(n_startup_trials=4),
        load_if_exists=True,
    )


@contextmanager
def next_trial(place: Place) -> Iterator[Trial | None]:
    """A trial that is this process's alone until the end of the block; None when the budget or the space is spent.

    Trials that another process left behind are failed first, and their settings are tried again; so are this one's
    when the block is left by an error or a signal.
    """
    with lock(place.lock, "another process chooses its next trial"):
        study = study_at(place)
        _take_over(study, place)
        trial = None if spent(study, place.search) else _begun(study, place)
        held = _hold(place, trial.number) if trial else None
    try:
        yield trial
    except BaseException:
        if trial and not (found := study.trials[trial.number]).state.is_finished():
            _try_again(study, found, tries=int(trial.user_attrs.get("tries", 1)))
        raise
    finally:
        if held:
            held.close()


def spent(study: Study, search: Search) -> str | None:
    """Why no further trial may begin, or None."""
    counted = [trial for trial in study.get_trials(deepcopy=False) if not _failed(trial)]
    begun = [trial for trial in counted if trial.state.name != "WAITING"]
    if len(begun) >= search.trials:
        return f"all {search.trials} trials are done or under way"
    if search.minutes is not None and seconds(study) >= search.minutes * 60:
        return f"the {search.minutes:g} minutes are spent"
    return None


def seconds(study: Study) -> float:
    """How long all trials trained together, those included that were killed, as far as they told."""
    return sum(float(trial.user_attrs.get("seconds", 0)) for trial in study.get_trials(deepcopy=False))


def whole(study: Study) -> list[FrozenTrial]:
    """The trials that came to their end."""
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"]


def importance(study: Study, seed: int) -> dict[str, float]:
    """The share of the differences between trials that each setting explains (fANOVA); empty when nobody can say."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    if len({trial.value for trial in whole(study)}) < 3:
        return {}
    try:
        found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=seed))
    except RuntimeError:  # its trees found no difference at all
        return {}
    return {key: round(share, 4) for key, share in found.items()}


def _begun(study: Study, place: Place) -> Trial | None:
    """The next trial: settings that wait to be tried again, else new ones; None, said aloud, where none are found.

    Raises Refused where none are found and no trial ever came to its end.
    """
    trials = study.get_trials(deepcopy=False)
    if not any(trial.state.name == "WAITING" for trial in trials):
        try:
            study.enqueue_trial(settings_drawn(study, place, sum(not _failed(trial) for trial in trials)))
        except Refused as error:
            if not whole(study):
                raise
            print(f"search: {error}", flush=True)
            return None
    return study.ask(distributions(place))


def _take_over(study: Study, place: Place) -> None:
    """Fail the running trials whose process is gone, and let their settings wait to be tried again."""
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    again = {trial.user_attrs.get("again") for trial in trials}
    for trial in trials:
        if trial.state.name != "RUNNING" or not _left_behind(place, trial.number):
            continue
        tries = int(trial.user_attrs.get("tries", 1))
        if trial.number in again or tries >= TRIES:
            study.tell(trial.number, state=TrialState.FAIL)
        else:
            _try_again(study, trial, tries + 1)
        fate = "is tried again" if tries < TRIES else f"ended its process {TRIES} times and is given up"
        print(f"trial {trial.number + 1} was left unfinished by a process that is gone; it {fate}", flush=True)


def _try_again(study: Study, trial: FrozenTrial, tries: int) -> None:
    """Fail a trial, and let its settings wait."""
    from optuna.trial import TrialState

    # First: a process that ends between the two fails the trial the next time; no settings are lost.
    study.enqueue_trial(trial.params, user_attrs={"again": trial.number, "tries": tries})
    study.tell(trial.number, state=TrialState.FAIL)


def _failed(trial: FrozenTrial) -> bool:
    """Whether a trial counts for nothing; one that was given up was tried."""
    return trial.state.name == "FAIL" and int(trial.user_attrs.get("tries", 1)) < TRIES


def _hold(place: Place, number: int) -> Any:
    """A lock of the trial that ends with the process."""
    file = (place.folder / f"trial-{number}.lock").open("a")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def _left_behind(place: Place, number: int) -> bool:
    with (place.folder / f"trial-{number}.lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
