"""Bounds compared without Great Expectations, which takes seconds to import; it judges in the tests of whole files."""

from pipelines.expectations import Check
from pipelines.judgement import Subject


def beyond_bounds(subject: Subject) -> list[Check]:
    """The checks of a subject whose number is not within their bounds."""
    return [check for check in subject.checks if not within(subject.numbers[check.metric], check)]


def within(number: float, check: Check) -> bool:
    low = check.at_least if check.at_least is not None else float("-inf")
    high = check.at_most if check.at_most is not None else float("inf")
    return low <= number <= high
