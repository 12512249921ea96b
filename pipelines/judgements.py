"""What reviewers said of examples shown side by side and blind: kept one by one, counted, and compared among them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import combinations
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pipelines.artifact import canonical, sha256_text
from pipelines.dossier import write_synced
from pipelines.errors import Refused
from pipelines.locks import lock
from pipelines.settings import Settings
from pipelines.shared import bring_all, place

Choice = Literal["a", "b", "same", "both_bad"]
Said = Literal["candidate", "champion", "same", "both_bad"]


class Judgement(BaseModel):
    """What was said of one example, and when."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    said: Said
    at: datetime


class Judgements(BaseModel):
    """What one reviewer said of the examples of one dossier, by the example's id."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    dossier: str
    reviewer: str
    judged: dict[str, Judgement] = {}

    @property
    def said(self) -> dict[str, Said]:
        return {example: one.said for example, one in self.judged.items()}

    def until(self, end: datetime) -> dict[str, Said]:
        """What was said before a decision; what came after it is no evidence for it."""
        return {example: one.said for example, one in self.judged.items() if one.at <= end}


class Tally(BaseModel):
    """How often each was better, and the share of the candidate among the decided with its 95 % interval."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    judged: int
    candidate: int
    champion: int
    same: int
    both_bad: int
    share: float | None
    low: float | None
    high: float | None

    def __str__(self) -> str:
        told = (
            f"{self.judged} judged blind: candidate better {self.candidate}, champion better {self.champion}, "
            f"same {self.same}, both bad {self.both_bad}"
        )
        if self.share is None:
            return told
        return f"{told}; the candidate wins {self.share:.0%} of the decided ({self.low:.0%} to {self.high:.0%})"


def tally(said: Sequence[Said]) -> Tally:
    """Count judgements; the interval is Wilson's (1927) for the share of the candidate among those that chose one."""
    from scipy.stats import binomtest

    counts = {name: said.count(name) for name in ("candidate", "champion", "same", "both_bad")}
    decided = counts["candidate"] + counts["champion"]
    if not decided:
        return Tally(judged=len(said), **counts, share=None, low=None, high=None)
    found = binomtest(counts["candidate"], decided).proportion_ci(method="wilson")
    share = counts["candidate"] / decided
    return Tally(judged=len(said), **counts, share=share, low=float(found.low), high=float(found.high))


def agreement(all_of_them: Sequence[Judgements]) -> float | None:
    """The mean of Cohen's kappa (1960) over all pairs of reviewers, on what both judged; None when there is no pair."""
    from sklearn.metrics import cohen_kappa_score

    found = []
    for one, other in combinations(all_of_them, 2):
        both = sorted(one.said.keys() & other.said.keys())
        if len(both) > 1:
            pair = [[judged.said[example] for example in both] for judged in (one, other)]
            # Of two who said one word only, kappa is 0/0: they agree.
            found.append(1.0 if pair[0] == pair[1] else float(cohen_kappa_score(*pair)))
    return sum(found) / len(found) if found else None


def read(dossier: str, reviewer: str, settings: Settings) -> Judgements:
    """What a reviewer has said so far, on whichever machine; nothing, when that is nothing."""
    path = _path(dossier, reviewer, settings)
    bring_all(path.parent, settings, named=[path.name], changing=True)
    if not path.is_file():
        return Judgements(dossier=dossier, reviewer=reviewer)
    return Judgements.model_validate_json(path.read_bytes())


def read_all(dossier: str, settings: Settings) -> list[Judgements]:
    """What every reviewer has said about a dossier, by their names."""
    folder = _folder(dossier, settings)
    bring_all(folder, settings, changing=True)
    found = [Judgements.model_validate_json(path.read_bytes()) for path in folder.glob("*.json")]
    return sorted(found, key=lambda one: one.reviewer)


def keep(dossier: str, reviewer: str, said: Mapping[str, Said], at: datetime, settings: Settings) -> Judgements:
    """Add what a reviewer said, in the place of what they said of the same examples before; it is on the disk then."""
    path = _path(dossier, reviewer, settings)
    with lock(settings.locks / f"judgements-{dossier}", "another judgement is being written"):
        before = read(dossier, reviewer, settings)
        new = {example: Judgement(said=one, at=at) for example, one in said.items()}
        now = before.model_copy(update={"judged": {**before.judged, **new}})
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        write_synced(part, canonical(now.model_dump(mode="json")))
        place(part, path, settings)
    return now


def _folder(dossier: str, settings: Settings) -> Path:
    if not re.fullmatch(r"[0-9a-f]{64}", dossier):
        raise Refused(f"{dossier!r} is not the seal of a dossier: 64 hexadecimal digits are expected")
    return Path(settings.artifacts) / "judgements" / dossier


def _path(dossier: str, reviewer: str, settings: Settings) -> Path:
    """One file for each reviewer, whose name may hold anything, and so is hashed."""
    return _folder(dossier, settings) / f"{sha256_text(reviewer)}.json"
