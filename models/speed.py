"""What a model costs to ask, measured in a process that does nothing else: `python -m models.speed`."""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Rows = list[Mapping[str, Any]]
STATUS = Path("/proc/self/status")
WARM_UP = 3  # texts that are asked before the clock runs: the first calls make what the others find made


def main() -> None:
    """Read {"folder", "task", "rows", "threads", "exported"} from standard input; print `costs` as the last line."""
    from models import threads
    from models.serving import load

    asked = json.load(sys.stdin)
    threads.use(asked["threads"])
    folder = Path(asked["folder"])
    answer = load(folder, asked["task"], _exported() if asked["exported"] else None)
    print(json.dumps(costs(answer, asked["rows"], _tokens(folder, asked["task"]))), flush=True)


def _tokens(folder: Path, task: str) -> Callable[[str], int] | None:
    """How many tokens of the model's own a written text has; None for a model that writes none."""
    from models.tasks import TASKS
    from models.tokenizer import load_tokenizer

    if TASKS[task].answer != "text":
        return None
    tokenizer = load_tokenizer(folder)
    return lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])


def _exported() -> Any:
    """How ONNX graphs are read; imported only for them, for its libraries count as memory."""
    from models.exported import load_exported

    return load_exported


def costs(answer: Callable[[Rows], Any], rows: Rows, tokens: Callable[[str], int] | None = None) -> dict[str, float]:
    """Milliseconds of one text at a time (median, 95th percentile), texts a second all at once, and peak memory.

    With `tokens`, also how many of them were written a second, all texts at once. The memory is that of the whole
    process, in MB of 1,000,000 bytes: libraries, weights and texts.
    """
    for row in rows[:WARM_UP]:
        answer([row])
    took = [_timed(answer, [row])[0] for row in rows]
    together, said = _timed(answer, rows)
    written = (
        {"tokens_per_second": round(sum(tokens(one["prediction"]) for one in said) / together, 1)} if tokens else {}
    )
    return {
        "n": len(rows),
        **{f"p{p}_ms": round(1000 * percentile(took, p), 3) for p in (50, 95)},
        "texts_per_second": round(len(rows) / together, 3),
        **written,
        "memory_mb": round(peak_bytes() / 1e6, 1),
    }


def percentile(values: Sequence[float], percent: int) -> float:
    """The value that so many percent of the values lie below."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def peak_bytes() -> int:
    """The most memory that this process held at once.

    Linux's getrusage would count what its parent held when it was forked (getrusage(2): ru_maxrss).
    """
    if STATUS.is_file():
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _timed(answer: Callable[[Rows], Any], rows: Rows) -> tuple[float, Any]:
    start = time.perf_counter()
    said = answer(rows)
    return time.perf_counter() - start, said


if __name__ == "__main__":
    main()
