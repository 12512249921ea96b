"""What the loss of an output layer costs, there and back: by all logits, by chunks as torch cuts them, and by ours.

    OMP_NUM_THREADS=1 .venv/bin/python tests/benchmarks/output_layer.py [--tokens 4000] [--width 224]
        [--vocabulary 8192]

Seconds of processor time, the best of five; the loss, and how many MB of tensors stood in memory at most.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))

ROUNDS = 5


def by_all_logits(states: Any, head: Any, answers: Any) -> Any:
    """As a model's logits, in fp32, go into torch's cross-entropy."""
    from torch.nn.functional import cross_entropy

    return cross_entropy(head(states).float(), answers)


def by_chunks_of_torch(states: Any, head: Any, answers: Any) -> Any:
    """torch's own way, with what it chooses by itself."""
    import torch
    from torch.nn.functional import linear_cross_entropy

    narrow = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else states.dtype
    options = torch.nn.LinearCrossEntropyOptions()
    return linear_cross_entropy(states.to(narrow), head.weight.to(narrow), answers, options=options)


def ours(states: Any, head: Any, answers: Any) -> Any:
    """As causal trainings compute it."""
    from models.output_layer import head_loss

    return head_loss(states, head, answers)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, usual in (("tokens", 4000), ("width", 224), ("vocabulary", 8192)):
        parser.add_argument(f"--{name}", type=int, default=usual)
    args = parser.parse_args()
    import torch

    torch.manual_seed(1)
    states, answers = torch.randn(args.tokens, args.width), torch.randint(0, args.vocabulary, (args.tokens,))
    head = torch.nn.Linear(args.width, args.vocabulary, bias=False)
    print("| numbers | way | seconds | loss | MB at most |\n|---|---|---|---|---|")
    for is_narrow in (False, True):
        for way in (by_all_logits, by_chunks_of_torch, ours):
            found = [_once(way, states, head, answers, is_narrow=is_narrow) for _ in range(ROUNDS)]
            seconds, loss = min(s for s, _ in found), found[0][1]
            most = _most(way, states, head, answers, is_narrow=is_narrow)
            numbers = "bf16" if is_narrow else "fp32"
            print(f"| {numbers} | {way.__name__} | {seconds:.3f} | {loss:.4f} | {most:,.0f} |", flush=True)


def _once(way: Any, states: Any, head: Any, answers: Any, *, is_narrow: bool) -> tuple[float, float]:
    import torch

    given = states.clone().requires_grad_()
    head.weight.grad = None
    started = time.thread_time()
    with torch.autocast("cpu", torch.bfloat16, enabled=is_narrow):
        loss = way(given, head, answers)
    loss.backward()
    return time.thread_time() - started, float(loss.detach())


def _most(way: Any, states: Any, head: Any, answers: Any, *, is_narrow: bool) -> float:
    """The most memory in MB that tensors made since the beginning took at once."""
    import torch

    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        _once(way, states, head, answers, is_narrow=is_narrow)
    allocated, most = 0, 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            allocated += event.nbytes()
            most = max(most, allocated)
    return most / 1e6


if __name__ == "__main__":
    main()
