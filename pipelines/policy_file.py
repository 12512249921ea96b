"""policy.toml: gates and review rules of an organisation, which every recipe has beside its own and none can loosen."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator

from pydantic import Field

from models.tasks import TASKS
from models.tasks.task import Task
from pipelines.artifact import sha256_text
from pipelines.errors import Refused, near_miss
from pipelines.recipe import Gate, Recipe
from pipelines.recipe_file import parsed
from pipelines.recipe_fit import CHANGES, gate_problem
from pipelines.section import Section
from pipelines.settings import Settings
from pipelines.suite_metrics import suite_metrics

PRIMARY = "primary"


class PolicyGate(Gate):
    """A gate of the named tasks, or of all that have the metric; `primary` is each task's primary metric."""

    tasks: tuple[str, ...] = Field((), strict=False)


class PolicyReview(Section):
    """What approvals must be at least, whatever a recipe says."""

    approvals: int = Field(1, ge=1, le=2, description="People who must approve a release that replaces a champion")
    approvals_for_first_release: int = Field(1, ge=1, le=2, description="The same where no champion is replaced")
    expires_days: int = Field(365, ge=1, le=365, description="An approval holds no longer")


class Policy(Section):
    """What holds for every recipe."""

    gates: tuple[PolicyGate, ...] = Field((), strict=False)
    review: PolicyReview = PolicyReview()


def read_policy(settings: Settings) -> tuple[Policy, str] | None:
    """The policy and its file's sha256; None where none is set. Raises Refused for a file that is missing or wrong."""
    if settings.policy is None:
        return None
    try:
        text = settings.policy.read_text(encoding="utf-8")
        values = tomllib.loads(text)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Refused(f"{settings.policy}, the policy that SCRIPTORIUM_POLICY names, cannot be read: {error}") from None
    policy = parsed(Policy, values, settings.policy.name)
    for number, gate in enumerate(policy.gates):
        if unknown := sorted(set(gate.tasks) - set(TASKS)):
            cure = near_miss(unknown[0], TASKS)
            raise Refused(f"{settings.policy.name}: gates.{number}.tasks: there is no task {unknown[0]!r}; {cure}")
        if problem := _of_no_task(gate):
            raise Refused(f"{settings.policy.name}: gates.{number}.metric: {problem}")
    return policy, sha256_text(text)


def under_policy(recipe: Recipe, settings: Settings) -> Recipe:
    """The recipe with the policy's gates before its own, and approvals no fewer, holding no longer, than it asks.

    Raises Refused for a gate that names the recipe's task and asks for what it has not.
    """
    if (found := read_policy(settings)) is None:
        return recipe
    policy, _ = found
    asked, own = policy.review, recipe.review
    review = own.model_copy(
        update={
            "expires_days": min(asked.expires_days, own.expires_days),
            "approvals": max(asked.approvals, own.approvals),
            "approvals_for_first_release": max(asked.approvals_for_first_release, own.approvals_for_first_release),
        }
    )
    gates = (*_gates(policy, recipe, str(settings.policy)), *recipe.gates)
    return recipe.model_copy(update={"gates": gates, "review": review})


def policy_sha256(settings: Settings) -> str:
    """The sha256 of the policy's file; empty where no policy is set."""
    found = read_policy(settings)
    return found[1] if found else ""


def _gates(policy: Policy, recipe: Recipe, source: str) -> Iterator[Gate]:
    task = TASKS[recipe.task]
    for number, asked in enumerate(policy.gates):
        if asked.tasks and task.name not in asked.tasks:
            continue
        gate = _of_task(asked, task)
        if problem := gate_problem(gate, task, recipe.data):
            if not asked.tasks:
                continue  # of all tasks it is meant for those that have it
            raise Refused(f"{source}: gates.{number}.{problem}")
        yield gate


def _of_no_task(gate: PolicyGate) -> str | None:
    """Why a gate of all tasks that have its metric would be one of none; None when it is not."""
    primaries = {task.primary for task in TASKS.values()}
    known = {PRIMARY, *CHANGES}.union(*((*task.measures, *suite_metrics(task)) for task in TASKS.values()))
    if gate.metric not in known and not gate.metric.startswith("bits_per_byte_"):
        return f"no task has a metric {gate.metric!r}; {near_miss(gate.metric, known)}"
    if (gate.above or gate.not_below) and gate.metric not in {PRIMARY, *primaries}:
        return f"models are compared on the primary metric of a task; {gate.metric} takes at_least or at_most"
    return None


def _of_task(asked: PolicyGate, task: Task) -> Gate:
    values = asked.model_dump(exclude={"tasks"})
    return Gate.model_validate(values | ({"metric": task.primary} if asked.metric == PRIMARY else {}))
