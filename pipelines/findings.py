"""What checking data found: findings with their places and cures, and the verdict that follows from them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pipelines.errors import Refused

Severity = Literal["warn", "quarantine", "reject"]
Verdict = Literal["accept", "warn", "quarantine", "reject"]
ORDER: tuple[Verdict, ...] = ("accept", "warn", "quarantine", "reject")
QUARANTINED = 20  # exit code: some rows are kept back, the rest is accepted
EXIT_CODES: dict[Verdict, int] = {"accept": 0, "warn": 0, "quarantine": QUARANTINED, "reject": Refused.exit_code}


class Place(BaseModel):
    """Where a row stands: lines (or rows of a table) count from 1; none for a whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    file: str
    line: int | None = None
    field: str | None = None


class Finding(BaseModel):
    """One thing that is not as it should be. No text in it shows personal data, or more than 80 characters of a row."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    check: str
    severity: Severity
    rows: int
    share: float
    limit: float | None
    examples: tuple[Place, ...]
    message: str
    cure: str


class Result(BaseModel):
    """What came of checking some files."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    verdict: Verdict
    rows: int
    accepted: int
    quarantined: int
    findings: tuple[Finding, ...]


def verdict_of(findings: Iterable[Finding]) -> Verdict:
    """The worst severity decides."""
    return max((finding.severity for finding in findings), key=ORDER.index, default="accept")
