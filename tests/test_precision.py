"""bf16 is used where the processor has it and gains by it."""

from pathlib import Path

import pytest


@pytest.fixture
def precision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    from models import precision

    monkeypatch.setattr(precision, "CPUINFO", tmp_path / "cpuinfo")
    precision.gains_by_bf16.cache_clear()
    yield precision
    precision.gains_by_bf16.cache_clear()


@pytest.mark.parametrize(
    ("flags", "gain", "expected"),
    [("avx512f avx512_bf16", 4.6, True), ("avx512f avx512_bf16", 0.53, False), ("avx2 avx512f", 4.6, False)],
)
def test_instructions_and_a_measured_gain_are_both_needed(precision, monkeypatch, flags, gain, expected):
    precision.CPUINFO.write_text(f"processor: 0\nflags\t\t: fpu {flags}\n")
    monkeypatch.setattr(precision, "_gain", lambda: gain)
    assert precision.gains_by_bf16("cpu") is expected


def test_a_machine_without_cpuinfo_computes_in_fp32(precision):
    assert not precision.gains_by_bf16("cpu")


def test_the_probe_measures_something(precision):
    assert 0.01 < precision._gain() < 100
