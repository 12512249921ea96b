"""The page of tests/benchmarks/tasks.py: its results as tables that a person reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.benchmarks.task_sets import SCRATCH

Result = Mapping[str, Any]

INTRODUCTION = f"""# How well each task is done

`make evaluate-tasks` made these tables: every task on real sets (the folder `data/` beside this project, which is not
part of it), with the trivial baseline that did best on the same test rows. Splits are those of the sets; training and
test rows are cut to the numbers shown. In brackets are 95 % intervals (10,000 bootstrap samples). No pretrained model
can be fetched where this was measured: MiniLM is the pretrained English encoder of the demo; all other backbones have
4 to 6 M weights and learned {SCRATCH["tokens"]:,.0f} tokens of the corpora, so that they show what the platform
does and not what a real base model would. **Where a model is worse than its baseline, the table says so.**
"""


def page(found: Mapping[str, Result], rows: int) -> str:
    """The whole page from the results by name of row, of so many `rows` that there are to be made."""
    compared = {name: result for name, result in found.items() if "method" in result["finetune"]}
    main = {name: result for name, result in found.items() if name not in compared}
    revisions = sorted({result["revision"] for result in found.values()})
    minutes = sum(result["seconds"] for result in found.values()) / 60
    parts = [INTRODUCTION, "## Tasks\n", task_table(main), "\n" + said(main)]
    if compared:
        parts += [METHODS, method_table(compared)]
    few = f"{len(found)} of {rows} rows were made here; the command makes the others too."
    made = few if len(found) < rows else f"All {rows} rows were made here."
    busy = sum(result.get("processor_seconds", 0.0) for result in found.values()) / 60
    took = f"One after another they took {minutes:.0f} minutes, {busy:.0f} of a processor."
    parts.append(f"\n{made} {took} Code {', '.join(revisions)}.\n")
    return "\n".join(parts)


def task_table(found: Mapping[str, Result]) -> str:
    """A row for each set: our score beside the strongest baseline's, and whether the difference is one."""
    rows = ["| task | set | train / test | model | metric | score | baseline | difference | |", "|" + "---|" * 9]
    for result in sorted(found.values(), key=lambda r: (r["task"], r["file"])):
        baseline, primary = result["baseline"], result["primary"]
        cells = [
            result["task"].replace("_", " "),
            f"`{result['file']}`",
            f"{result['rows']['train']:,} / {result['rows']['test']:,}",
            result["backbone"],
            primary,
            interval(result["ours"][primary]),
            f"{interval(baseline)} {baseline['name']}",
            interval(baseline["difference"], "+"),
            baseline["verdict"],
        ]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def said(found: Mapping[str, Result]) -> str:
    """How many sets are better than their baseline, in words."""
    verdicts = [result["baseline"]["verdict"] for result in found.values()]
    return (
        f"Of {len(verdicts)} rows, {verdicts.count('better')} are clearly better than the best trivial answer, "
        f"{verdicts.count('unclear')} cannot be told from it, and {verdicts.count('worse')} are clearly worse."
    )


METHODS = """
## Methods

The same rows (600 of `cls_en_finphrasebank` and of `tox_en_davidson`, 1,500 of `cls_zh_hotel_sentiment`; 300 to
test), batches and epochs with each method; adapters at their own higher rate. Where it says "16 labels each", the
first 16 rows of each class were learned from, some twenty times each in batches of 8, and as many validated. What
learns, how long the training took on a machine on which others worked too (compare roughly), and the score.
"""


def method_table(found: Mapping[str, Result]) -> str:
    """A row for each method and set."""
    rows = ["| set | method | learns | training s | accuracy | macro F1 |", "|" + "---|" * 6]
    for result in sorted(found.values(), key=lambda r: r["file"]):
        ours, learns = result["ours"], result["learns"]
        cells = [f"`{result['file']}`", result["method"], f"{learns:.1%}" if learns is not None else ""]
        cells += [f"{result['training_seconds']:.0f}", interval(ours["accuracy"]), interval(ours["f1"])]
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def interval(found: Mapping[str, float], sign: str = "") -> str:
    """A value with its interval, such as 0.812 (0.780 to 0.840)."""
    value, low, high = (format(found[name], f"{sign}.3f") for name in ("value", "low", "high"))
    return f"{value} ({low} to {high})"
