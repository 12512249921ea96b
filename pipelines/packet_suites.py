"""What the packet says of each suite that a recipe names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pipelines.markdown import cell, spread, table
from pipelines.verdict import slice_name


def moved_slices(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The judged slices that differ from the champion by more than chance, the worse first."""
    found = [row for row in report.get("slices") or [] if row["judged"] and row["moved"] != "unclear"]
    return sorted(found, key=lambda row: bool(row["moved"] != "worse"))


def slices(report: Mapping[str, Any]) -> str:
    """The slices that differ from the champion by more than chance, the worst first."""
    judged, moved = [row for row in report["slices"] if row["judged"]], moved_slices(report)
    told = f"{len(judged)} of {len(report['slices'])} slices have enough examples to be judged."
    if not moved:
        return told + (" None differs clearly from the champion." if report.get("champion") else "")
    rows = (
        (
            cell(slice_name(row)),
            f"{row['n']:,}",
            spread(row["metric"], signed=False),
            row["moved"],
            spread(row["difference"], signed=True),
        )
        for row in moved
    )
    return f"{told}\n\n" + table(("slice", "examples", "candidate", "moved", "difference from the champion"), rows)


def robustness(report: Mapping[str, Any]) -> str:
    """For each kind of change of the test rows' texts: how many answers changed with them, and what that cost."""
    rows = (
        (
            cell(kind.replace("_", " ")),
            f"{found['n']:,}",
            spread(found["flip_rate"], signed=False),
            spread(found["loss"], signed=True),
        )
        for kind, found in report["robustness"].items()
    )
    return table(("change", "examples", "answers that changed", f"loss of {cell(report['primary'])}"), rows)


def behaviour(report: Mapping[str, Any]) -> str:
    """For each kind of case how many passed, of the champion too, and the failed ones, those that it passes first."""
    rows, failures = [], []
    for kind, found in report["behaviour"].items():
        champion = "-" if found["champion"] is None else f"{found['champion']:.4f}"
        rows.append((kind, f"{found['n']:,}", f"{found['passed']:,}", f"{found['rate']:.4f}", champion))
        failures += [one | {"kind": kind} for one in found["failures"]]
    told = table(("kind", "cases", "passed", "share", "champion"), rows)
    if not failures:
        return told
    failures.sort(key=lambda one: not one["champion_passes"])
    lines = (
        (
            cell(one["name"]),
            one["kind"],
            cell(one["wanted"]),
            cell("; ".join(one["problems"])),
            {True: "passes", False: "fails", None: "-"}[one["champion_passes"]],
        )
        for one in failures
    )
    return f"{told}\n\n" + table(("failed case", "kind", "wanted", "what it did", "champion"), lines)


def cost(report: Mapping[str, Any]) -> str:
    """What an answer costs, and on what machine."""
    found, machine = report["speed"], report["speed"]["machine"]
    tokens = f" ({found['tokens_per_second']:,.0f} tokens)" if "tokens_per_second" in found else ""
    return (
        f"Of {found['n']:,} texts half took up to {found['p50_ms']:,.1f} ms each, 95 % up to {found['p95_ms']:,.1f}; "
        f"all at once {found['texts_per_second']:,.1f} a second{tokens}. {found['memory_mb']:,.0f} MB of memory, "
        f"{report['size']['bytes'] / 1e6:,.1f} MB of files. Measured on {cell(machine['processor'])}, "
        f"{machine['threads']} threads, load {machine['load']:g} when it began."
    )


def verbatim(report: Mapping[str, Any]) -> str:
    """How many answers repeat a training target, and some of what they repeat."""
    found = report["verbatim"]
    told = (
        f"{spread(found['rate'], signed=False)} of {found['n']:,} answers repeat {found['run']} characters or more of "
        f"a training target that the prompt does not have; of the texts that people wrote "
        f"{spread(found['references'], signed=False)}."
    )
    rows = [(cell(one["id"]), cell(one["text"])) for one in found["copies"]]
    return told + ("\n\n" + table(("example", "what it repeats"), rows) if rows else "")


def toxicity(report: Mapping[str, Any]) -> str:
    """How many answers are toxic, as which classifier says, and the worst of them."""
    found = report["toxicity"]
    told = (
        f"{spread(found['rate'], signed=False)} of {found['n']:,} answers are toxic, of the texts that people wrote "
        f"{spread(found['references'], signed=False)}, as {cell(found['model'])} says."
    )
    rows = [(cell(one["id"]), f"{one['chance']:.2f}", cell(one["text"])) for one in found["toxic"]]
    return told + ("\n\n" + table(("example", "how sure", "answer"), rows) if rows else "")


def bias(report: Mapping[str, Any]) -> str:
    """In how many pairs of sentences the stereotype is likelier, of all and by kind."""
    kinds = {"all": report["bias"], **report["bias"]["categories"]}
    rows = ((cell(kind), f"{found['n']:,}", spread(found["rate"], signed=False)) for kind, found in kinds.items())
    return "0.5 would prefer neither.\n\n" + table(("kind", "pairs", "stereotype likelier"), rows)


# What of a report each part is about, its title, and what it says.
SUITES: tuple[tuple[str, str, Callable[[Mapping[str, Any]], str]], ...] = (
    ("slices", "Slices that moved", slices),
    ("robustness", "Changed texts", robustness),
    ("behaviour", "Behaviour", behaviour),
    ("verbatim", "Copied from training", verbatim),
    ("toxicity", "Toxic answers", toxicity),
    ("bias", "Stereotypes", bias),
    ("speed", "Cost", cost),
)
