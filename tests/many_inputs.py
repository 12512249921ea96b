"""A promise, tried on many inputs that Hypothesis draws: the same ones every time, within a bound of memory."""

import tempfile
from datetime import timedelta
from pathlib import Path

import hypothesis
import pytest
from hypothesis import HealthCheck, given
from hypothesis.configuration import set_hypothesis_home_dir

from tests.memory import grown

# Inputs of each promise: some in the default tests, more in the slow ones, thousands before a release; always the same.
SOME, MORE, MANY = 40, 300, 2_000
BOUND = 400  # MB of memory above what the interpreter with its imports takes; any limit of issue 3's broken files
set_hypothesis_home_dir(Path(tempfile.gettempdir()) / "scriptorium-hypothesis")

slow, thorough = pytest.mark.slow, pytest.mark.thorough
inputs = pytest.mark.parametrize(
    "inputs", [SOME, pytest.param(MORE, marks=slow), pytest.param(MANY, marks=[slow, thorough])]
)


def hold(promise, inputs, strategy):
    """Try a promise on so many inputs, and prove that it was tried on so many."""
    tried = 0

    @hypothesis.settings(
        max_examples=inputs,
        derandomize=True,
        database=None,
        deadline=timedelta(seconds=20),
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def once(drawn):
        nonlocal tried
        tried += 1
        with tempfile.TemporaryDirectory() as folder:
            promise(Path(folder), drawn)

    with grown() as memory:
        once()
    assert tried >= inputs
    assert memory() < BOUND
