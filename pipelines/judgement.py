"""From measures to findings: Great Expectations judges the numbers, and what failed is said in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipelines.expectations import Check, failed, judge
from pipelines.findings import ORDER, Finding
from pipelines.leaks import leak_measures, other_task_measures
from pipelines.measure import Measure
from pipelines.suites import leak_checks, set_checks, text_leak_checks, used_checks
from pipelines.tally import Tally
from pipelines.whole_set import set_measures

WORDS = 5  # of a finding, at most


@dataclass(frozen=True)
class Subject:
    """A set of files, or two compared: its measures, and what is expected of them."""

    name: str
    measures: Mapping[str, Measure]
    checks: Sequence[Check]

    @property
    def numbers(self) -> dict[str, float]:
        """The numbers that the checks are about."""
        return {check.metric: value(check, self.measures[check.name]) for check in self.checks}


@dataclass(frozen=True)
class Judged:
    """A subject, and what Great Expectations said of it."""

    subject: Subject
    results: Sequence[Mapping[str, Any]]

    @property
    def failed(self) -> list[Check]:
        """The checks that are not met."""
        return failed(self.subject.checks, self.results)


def set_subject(name: str, tally: Tally) -> Subject:
    """The files of a set by themselves."""
    return Subject(name, set_measures(tally), set_checks(tally))


def used_subject(name: str, tally: Tally) -> Subject:
    """The files of a set that are used as they are: nothing is left out of them."""
    return Subject(name, set_measures(tally), used_checks(tally))


def pair_subject(name: str, evaluation: Tally, training: Tally) -> Subject:
    """An evaluation set against its training set."""
    checks = leak_checks(evaluation.view.form, evaluation.view.limits)
    return Subject(name, leak_measures(evaluation, training), checks)


def other_task_subject(name: str, evaluation: Tally, training: Tally) -> Subject:
    """An evaluation set against the training set of another task."""
    checks = text_leak_checks(evaluation.view.form, evaluation.view.limits)
    return Subject(name, other_task_measures(evaluation, training), checks)


def judged(subject: Subject) -> Judged:
    """A subject, judged."""
    return Judged(subject, judge(subject.name, subject.numbers, subject.checks))


def value(check: Check, measure: Measure) -> float:
    """The number that a check is about."""
    if check.of == "value":
        assert measure.value is not None
        return measure.value
    return measure.share if check.of == "share" else measure.rows


def findings_of(found: Judged) -> Iterator[Finding]:
    """One finding for every name of a check that failed, with its worst severity."""
    worst: dict[str, Check] = {}
    for check in found.failed:
        before = worst.get(check.name)
        if before is None or ORDER.index(check.severity) > ORDER.index(before.severity):
            worst[check.name] = check
    for name, check in worst.items():
        yield _finding(check, found.subject.measures[name])


def _finding(check: Check, measure: Measure) -> Finding:
    limit = check.at_least if check.at_least is not None else check.at_most
    return Finding(
        check=check.name,
        severity=check.severity,
        rows=measure.rows,
        share=round(min(1.0, measure.share), 6),
        limit=limit,
        examples=tuple(measure.places),
        message=_message(check, measure),
        cure=check.cure,
    )


def _message(check: Check, measure: Measure) -> str:
    words = [word if n == 1 else f"{word} ({n:,})" for word, n in measure.words.most_common(WORDS)]
    more = len(measure.words) - WORDS
    return (
        _said(check, measure)
        + (": " + "; ".join(words) if words else "")
        + (f"; and {more:,} more" if more > 0 else "")
    )


def _said(check: Check, measure: Measure) -> str:
    found = value(check, measure)
    if check.at_least is not None and check.of == "share":
        return f"{check.what}: {found:.2%}, needed at least {check.at_least:.2%}"
    if check.at_least is not None:
        return f"{check.what}: {found:,g}, needed at least {check.at_least:,g}"
    allowed = f" ({measure.share:.1%}, allowed {check.at_most:.1%})" if check.of == "share" and check.at_most else ""
    return f"{measure.rows:,} of {measure.of:,} {check.what}{allowed}"
