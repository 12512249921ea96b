"""Which precision a training computes in: bf16 only where a probe shows a gain, fp32 weights always."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path

import torch  # noqa: TID253 - this module is itself imported lazily

from models.attention import short_in_fp32

# Without these instructions bf16 is emulated: 1.3 times slower than fp32 with AVX-512, 13 times slower with AVX2.
INSTRUCTIONS = frozenset({"avx512_bf16", "amx_bf16"})
CPUINFO = Path("/proc/cpuinfo")
# With them it may still be slower: a Xeon whose hypervisor hides AMX does half of fp32, a Zen 5 does 4.6 times fp32.
LEAST_GAIN = 1.5
PROBE_SIZE = 512
PROBES = 24


@contextmanager
def autocast(device: torch.device | str, *, bf16: bool | None = None) -> Iterator[None]:
    """Compute in bf16 within the block where `device` gains by it, and in fp32 elsewhere; `bf16` decides instead."""
    kind = torch.device(device).type
    narrow = gains_by_bf16(kind) if bf16 is None else bf16
    attention = short_in_fp32() if narrow and kind == "cpu" else nullcontext()
    with torch.autocast(kind, torch.bfloat16, enabled=narrow), attention:
        yield


@cache
def gains_by_bf16(kind: str) -> bool:
    """Whether matrix products in bf16 are clearly faster than in fp32 on this kind of device ("cpu", "cuda")."""
    if kind == "cuda":
        return torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0)
    return kind == "cpu" and bool(INSTRUCTIONS & instructions(CPUINFO)) and _gain() > LEAST_GAIN


def instructions(cpuinfo: Path) -> frozenset[str]:
    """The processor's instruction sets as Linux names them; none elsewhere."""
    if platform.system() != "Linux" or not cpuinfo.is_file():
        return frozenset()
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    return frozenset(next((line for line in lines if line.startswith("flags")), "").split())


def _gain() -> float:
    """How many times less processor time a matrix product takes in bf16: best of several, on one thread.

    Not wall time: beside a busy neighbour that answered now one thing and now the other, and a run that is computed
    again must be computed alike.
    """
    wide = torch.ones(PROBE_SIZE, PROBE_SIZE)
    narrow = wide.bfloat16()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        times = [(_seconds(wide), _seconds(narrow)) for _ in range(PROBES)]
    finally:
        torch.set_num_threads(threads)
    return min(t for t, _ in times) / min(t for _, t in times)


def _seconds(matrix: torch.Tensor) -> float:
    started = time.thread_time()
    matrix @ matrix
    return time.thread_time() - started
