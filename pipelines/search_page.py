"""The page of a search: how it went, what mattered, and each setting against what came of it. It works offline."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from markupsafe import Markup

from pipelines import plots
from pipelines.page import render


def search_page(found: dict[str, Any], at: str) -> str:
    """The page of an outcome as HTML; `at` is when."""
    from pipelines.search_outcome import as_options, as_toml

    whole = [trial for trial in found["trials"] if trial["value"] is not None]
    best = found["best"]
    shares = [(key, share * 100, None) for key, share in found["importance"].items()]
    return render(
        "search.html",
        found=found,
        at=at,
        whole=whole,
        toml=as_toml(best["settings"]) if best else "",
        options=as_options(best["settings"]) if best else "",
        history=_history(found, whole) if whole else "",
        importance=plots.bars(shares, [f"{share:.0f}%" for _, share, _ in shares]) if shares else "",
        slices=[(key, _slice(key, found, whole)) for key in found["space"]] if whole else [],
        number=plots.number,
    )


def _history(found: dict[str, Any], whole: Sequence[dict[str, Any]]) -> Markup:
    """Every whole trial as a dot, and a line for the best so far."""
    better = max if found["higher_is_better"] else min
    values = [trial["value"] for trial in whole]
    so_far = [better(values[: n + 1]) for n in range(len(values))]
    points = [(trial["number"], trial["value"]) for trial in whole]
    line = [(trial["number"], value) for trial, value in zip(whole, so_far, strict=True)]
    return plots.scatter(points, plots.Axis("trial", 1, len(found["trials"])), found["metric"], line)


def _slice(key: str, found: dict[str, Any], whole: Sequence[dict[str, Any]]) -> Markup:
    """The value of each whole trial over one setting: choices side by side, numbers along their axis."""
    axis, place = _axis(key, found["space"][key])
    points = [(place(trial["settings"][key]), trial["value"]) for trial in whole]
    return plots.scatter(points, axis, found["metric"])


def _axis(key: str, values: dict[str, Any]) -> tuple[plots.Axis, Callable[[Any], float]]:
    """The axis of a setting, and where on it a value lies."""
    if "choices" in values:
        names = [str(choice) for choice in values["choices"]]
        return plots.Axis(key, -0.5, len(names) - 0.5, names), lambda value: names.index(str(value))
    if values["log"]:
        return plots.Axis(f"{key}, powers of ten", math.log10(values["low"]), math.log10(values["high"])), math.log10
    return plots.Axis(key, values["low"], values["high"]), float
