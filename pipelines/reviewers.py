"""Who can answer a review in the Airflow of this machine: told before anything is trained, not a week after."""

from __future__ import annotations

from collections.abc import Iterable

from pipelines.errors import Refused
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
