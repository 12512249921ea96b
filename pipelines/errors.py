"""What can go wrong, as exit codes a scheduler and a script understand."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class ScriptoriumError(Exception):
    """A problem with a cure; printed as one message, never as a traceback."""

    exit_code = 1
    word = "error"


class Refused(ScriptoriumError):
    """The input, a gate or a reviewer said no: trying again cannot change the answer."""

    exit_code = 10
    word = "refused"


class NothingToDo(ScriptoriumError):
    """Somebody's answer makes this step needless: not a fault, and not done either."""

    exit_code = 12
    word = "not needed"


class TryAgain(ScriptoriumError):
    """Stopped part-way (a signal, a lost service): the next try continues from the checkpoint."""

    exit_code = 75
    word = "stopped"


def near_miss(word: str, allowed: Iterable[str]) -> str:
    """Say which allowed word was probably meant, or list them all when none is near."""
    allowed = sorted(allowed)
    return meant(word, allowed) or f"allowed: {', '.join(allowed)}"


def meant(word: str, allowed: Sequence[str]) -> str:
    """Say which allowed word was probably meant; empty when none is near."""
    near = difflib.get_close_matches(word, allowed, n=1)
    return f"did you mean {near[0]!r}?" if near else ""
