"""Where attention is faster in fp32 than in bf16, there and back: what models/attention.py has its limit from.

    OMP_NUM_THREADS=1 .venv/bin/python tests/benchmarks/attention.py

On a processor that gains by bf16 (models/precision.py); 4,096 tokens each, processor time, the best of seven.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

TOKENS, ROUNDS = 4096, 7
HEADS = ((32, 12), (64, 4), (64, 12))  # width of a head, and how many: MiniLM, the scratch encoder, BERT
LENGTHS = (16, 32, 64, 128, 160, 192, 256, 384, 512)


def main() -> None:
    import torch

    torch.set_num_threads(1)
    print("| width | heads | tokens of a text | bf16 ms | fp32 ms | bf16 / fp32 |\n|---|---|---|---|---|---|")
    for width, heads in HEADS:
        for length in LENGTHS:
            values = torch.randn(TOKENS // length, heads, length, width)
            narrow, wide = (least(partial(there_and_back, values, kind)) for kind in (torch.bfloat16, torch.float32))
            print(f"| {width} | {heads} | {length} | {narrow:.1f} | {wide:.1f} | {narrow / wide:.2f} |", flush=True)


def there_and_back(values: Any, kind: Any) -> None:
    """From bf16 to bf16, as in a model, computed in `kind`."""
    import torch

    given = [values.bfloat16().requires_grad_() for _ in range(3)]
    mask = torch.ones(len(values), 1, values.shape[2], values.shape[2], dtype=torch.bool).tril()
    found = torch.nn.functional.scaled_dot_product_attention(*(one.to(kind) for one in given), attn_mask=mask)
    found.bfloat16().sum().backward()


def least(work: Callable[[], None]) -> float:
    """Milliseconds of the processor."""
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return 1000 * min(times)


if __name__ == "__main__":
    main()
