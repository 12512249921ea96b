"""Who can answer a review in the Airflow of this machine: told before anything is trained, not a week after."""

from __future__ import annotations

from collections.abc import Iterable

from pipelines import ledger
from pipelines.decision import approvals_needed
from pipelines.errors import Refused
from pipelines.policy_file import under_policy
from pipelines.recipe import Recipe
from pipelines.settings import Settings
from pipelines.stack import read_stack

# SimpleAuthManager's role that may look and nothing else.
LOOKS_ONLY = "viewer"


def require_reviewers(recipes: Iterable[Recipe], settings: Settings) -> None:
    """Raise Refused for recipes with a reviewer who cannot answer here; another's Airflow knows its own users."""
    stack = read_stack(settings)
    if all(server.part != "airflow" for server in stack.servers):
        return
    able = sorted(name for name, role in stack.users.items() if role != LOOKS_ONLY)
    strangers = [(recipe.name, name) for recipe in recipes for name in recipe.review.reviewers if name not in able]
    if strangers:
        told = [
            f"{recipe}: reviewer {name!r} cannot answer a review in this machine's Airflow"
            for recipe, name in strangers
        ]
        cure = f'{strangers[0][1]} = "user" to [users] of infra/services.toml, then: scriptorium down; scriptorium up'
        raise Refused("\n".join([*told, f"allowed: {', '.join(able)}; name one of them under [review], or add {cure}"]))


def require_enough(recipe: Recipe, requester: str, settings: Settings) -> None:
    """Raise Refused when fewer people than must approve may review what `requester` asks for."""
    first = ledger.of_champion(ledger.read(ledger.ledger_path(recipe.name, settings))) is None
    needed = approvals_needed(under_policy(recipe, settings).review, first_release=first)
    able = sorted({*recipe.review.reviewers} - {requester})
    if len(able) >= needed:
        return
    whom = f"only {', '.join(able)} may" if able else "nobody may"
    key = "approvals_for_first_release" if first else "approvals"
    raise Refused(
        f"{'the first release' if first else 'a release'} of {recipe.name} takes {needed} "
        f"approval{'s' * (needed > 1)}, and of what {requester} asks for {whom} give one: name another under "
        f"[review] reviewers{f', or say {key} = 1 there if one person is to decide alone' if able else ''}"
    )
