"""Plots as inline SVG: they need no library, and take their colours from the page, so that they suit light and dark."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

STAGES = {"finetuned": "fine-tuned"}
Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Scale:
    """Maps values from `low` to `high` onto pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, most: int = 6) -> list[float]:
        """Round values within the scale, 1, 2 or 5 times a power of ten apart."""
        rough = ((self.high - self.low) or 1) / most
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        return [round(n * step, 10) for n in range(first, math.floor(self.high / step + 1e-9) + 1)]


@dataclass(frozen=True)
class Axis:
    """The lower axis of a plot; `names` stand for 0, 1, ... along it."""

    name: str
    low: float
    high: float
    names: Sequence[str] = ()


def intervals(rows: Sequence[Mapping[str, Any]], unit: str) -> Markup:
    """A dot with its interval for each row {name, value, low, high, color}, the first one emphasised."""
    width, top, line = 720, 26, 40
    bottom = top + line * len(rows)
    low, high = min(row["low"] for row in rows), max(row["high"] for row in rows)
    room = max((high - low) * 0.06, 0.002)
    x = Scale(low - room, high + room, 190, width - 70)
    parts = [_tick(x(t), top - 12, bottom, number(t), bottom + 16) for t in x.ticks()]
    parts.append(_line((x(rows[0]["value"]), top - 12), (x(rows[0]["value"]), bottom), "var(--model)", 1, "3 4"))
    for place, row in enumerate(rows):
        y, weight = top + line * place + 14, "strong" if place == 0 else "label"
        parts += [
            _text(178, y + 4, row["name"], weight, "end"),
            _line((x(row["low"]), y), (x(row["high"]), y), row["color"], 3),
            f'<circle cx="{x(row["value"])}" cy="{y}" r="6" fill="{row["color"]}"/>',
            _text(width - 58, y + 4, number(row["value"], 3), weight),
        ]
    label = f"{unit} of {', '.join(row['name'] + ' ' + number(row['value'], 3) for row in rows)}"
    return _svg(width, bottom + 24, parts, label)


def slopes(lines: Mapping[str, Mapping[str, float]], colors: Mapping[str, str]) -> Markup:
    """A line over the stages for each name: {"domain": {"base": 2.1, "pretrained": 1.8}, ...}."""
    width, height = 460, 250
    stages = list(next(iter(lines.values())))
    values = [value for line in lines.values() for value in line.values()]
    x = Scale(0, len(stages) - 1, 70, width - 110)
    y = _padded(values, height - 44, 20)
    parts = [_row(y(t), 44, width - 90, number(t)) for t in y.ticks(4)]
    parts += [_text(x(n), height - 14, STAGES.get(stage, stage), "label", "middle") for n, stage in enumerate(stages)]
    upper, lower = ({stage: end(line[stage] for line in lines.values()) for stage in stages} for end in (max, min))
    for name, line in lines.items():
        points = [(x(n), y(line[stage])) for n, stage in enumerate(stages)]
        parts.append(_path(points, colors[name], 2.5))
        parts += [f'<circle cx="{px}" cy="{py}" r="4.5" fill="{colors[name]}"/>' for px, py in points]
        # The highest label stands above its point, the lowest below, and those between have none: they never meet.
        for (px, py), (stage, value) in zip(points, line.items(), strict=True):
            if value in (upper[stage], lower[stage]):
                parts.append(_text(px, py - 10 if value == upper[stage] else py + 19, number(value, 3), "", "middle"))
        parts.append(_text(points[-1][0] + 14, points[-1][1] + 4, name, "strong"))
    told = "; ".join(
        f"{name}: " + ", ".join(f"{s} {number(v, 3)}" for s, v in line.items()) for name, line in lines.items()
    )
    return _svg(width, height, parts, f"bits per byte after each stage. {told}")


def curve(points: Points, across: str, up: str) -> Markup:
    """One learning curve, with the names of its two axes."""
    width, height = 340, 210
    x = Scale(min(p[0] for p in points), max(p[0] for p in points), 44, width - 14)
    y = _padded([p[1] for p in points], height - 38, 16)
    parts = [_row(y(t), 44, width - 14, number(t)) for t in y.ticks(4)]
    parts += [_text(x(t), height - 22, short(t), "", "middle") for t in x.ticks(4)]
    parts += [
        _path([(x(a), y(b)) for a, b in points], "var(--model)", 2),
        _text(width - 14, height - 5, across, "", "end"),
    ]
    return _svg(width, height, parts, f"{up} from {number(points[0][1], 3)} to {number(points[-1][1], 3)}")


def scatter(points: Points, across: Axis, up: str, line: Points = ()) -> Markup:
    """Dots over an axis, and a line beside them."""
    width, height = 460, 250
    x = Scale(across.low, across.high, 58, width - 20)
    y = _padded([p[1] for p in points], height - 44, 16)
    parts = [_row(y(t), 50, width - 12, number(t)) for t in y.ticks(4)]
    marks: dict[float, str] = dict(enumerate(across.names)) or {tick: short(tick) for tick in x.ticks(5)}
    parts += [_text(x(place), height - 26, text[:14], "", "middle") for place, text in marks.items()]
    if line:
        parts.append(_path([(x(a), y(b)) for a, b in line], "var(--general)", 2))
    for a, b in points:
        told = f"<title>{escape(up)} {number(b, 4)}</title>"
        parts.append(f'<circle cx="{x(a)}" cy="{y(b)}" r="4.5" fill="var(--model)" fill-opacity="0.7">{told}</circle>')
    parts.append(_text(width - 14, height - 7, across.name, "", "end"))
    return _svg(width, height, parts, f"{up} of {len(points)} dots over {across.name}")


def reliability(bins: Sequence[Mapping[str, float]]) -> Markup:
    """Accuracy against confidence for each bin, the size of a dot by how many answers it stands for."""
    width, height = 460, 300
    low = min(0.5, *(math.floor(min(row["accuracy"], row["confidence"]) * 10) / 10 for row in bins))
    x, y = Scale(low, 1, 52, width - 24), Scale(low, 1, height - 46, 16)
    parts = [_row(y(t), 52, width - 24, number(t, 1)) for t in y.ticks(5)]
    parts += [_text(x(t), height - 28, number(t, 1), "", "middle") for t in x.ticks(5)]
    parts.append(_line((x(low), y(low)), (x(1), y(1)), "var(--other)", 1.5, "4 4"))
    points = [(x(row["confidence"]), y(row["accuracy"])) for row in bins]
    most = max(row["n"] for row in bins)
    parts.append(_path(points, "var(--model)", 2))
    for (px, py), row in zip(points, bins, strict=True):
        size = round(3 + 7 * math.sqrt(row["n"] / most), 1)
        parts.append(
            f'<circle cx="{px}" cy="{py}" r="{size}" fill="var(--model)"><title>{row["n"]:,.0f} answers: '
            f"{row['confidence']:.0%} sure, {row['accuracy']:.0%} right</title></circle>"
        )
    parts.append(_text(width - 24, height - 8, "how sure the model was (dashed: as sure as it is right)", "", "end"))
    return _svg(width, height, parts, "accuracy against confidence")


def histogram(heights: Sequence[tuple[float, float, float]], across: str, before: Sequence[float] = ()) -> Markup:
    """Shares of rows over a logarithmic axis: (from, to, share) of each bar; earlier shares as a line over them."""
    width, height = 460, 210
    x = Scale(math.log10(heights[0][0]), math.log10(heights[-1][1]), 50, width - 16)
    y = Scale(0, max(*(share for *_, share in heights), *before, 1e-9) * 1.08, height - 40, 12)
    parts = [_row(y(t), 50, width - 16, f"{t:.3g}%") for t in y.ticks(4)]
    for low, high, share in heights:
        left, right = x(math.log10(low)), x(math.log10(high))
        title = f"{number(math.ceil(low), 0)} to {number(max(low, math.ceil(high) - 1), 0)}: {share:.1f}%"
        parts.append(_bar(left, y(share), max(1.0, right - left - 1), y(0) - y(share), title))
    middles = [x((math.log10(low) + math.log10(high)) / 2) for low, high, _ in heights]
    if before:
        parts.append(_path([(a, y(b)) for a, b in zip(middles, before, strict=True)], "var(--general)", 2))
    steps = (1, 2, 5) if x.high - x.low < 2 else (1,)
    ticks = [step * 10.0**power for power in range(math.floor(x.low), math.ceil(x.high) + 1) for step in steps]
    inside = [tick for tick in ticks if x.low <= math.log10(tick) <= x.high]
    parts += [_text(x(math.log10(tick)), height - 22, short(tick), "", "middle") for tick in inside]
    parts.append(_text(width - 16, height - 5, across, "", "end"))
    return _svg(width, height, parts, f"{across}: {len(heights)} bars")


def bars(rows: Sequence[tuple[str, float, float | None]], notes: Sequence[str]) -> Markup:
    """A bar for each (name, share in percent, earlier share): the earlier one is a tick on it; a note at its end."""
    width, line, left = 460, 26, 168
    x = Scale(0, max(max(now, before or 0) for _, now, before in rows) or 1, left, width - 122)
    parts = []
    for place, ((name, now, before), note) in enumerate(zip(rows, notes, strict=True)):
        y = line * place + 5
        parts += [
            _text(left - 10, y + 13, name if len(name) < 24 else f"{name[:22]}…", "label", "end"),
            _bar(left, y + 2, round(max(1.0, x(now) - left), 1), 14, f"{name}: {now:.1f}%"),
            _text(round(max(x(now), x(before or 0)) + 8, 1), y + 13, note),
        ]
        if before is not None:
            parts.append(_line((x(before), y), (x(before), y + 18), "var(--general)", 3))
    return _svg(width, line * len(rows) + 8, parts, "; ".join(f"{name} {now:.1f}%" for name, now, _ in rows))


def timeline(heights: Sequence[tuple[str, int]]) -> Markup:
    """Rows over periods of time, one bar each, with the first, the middle and the last of them named."""
    width, height = 460, 210
    x, y = Scale(0, len(heights), 50, width - 16), Scale(0, max(n for _, n in heights) * 1.08, height - 28, 12)
    parts = [_row(y(t), 50, width - 16, short(t)) for t in y.ticks(3) if t == int(t)]
    for place, (period, rows) in enumerate(heights):
        parts.append(
            _bar(x(place), y(rows), round(max(1.0, x(1) - x(0) - 1), 1), y(0) - y(rows), f"{period}: {rows:,}")
        )
    ends = {0: "start", len(heights) - 1: "end"} if len(heights) > 1 else {0: "start"}
    if len(heights) > 4:
        ends[len(heights) // 2] = "middle"
    for place, anchor in ends.items():
        at = {"start": x(place), "middle": x(place + 0.5), "end": x(place + 1)}[anchor]
        parts.append(_text(at, height - 8, heights[place][0], "", anchor))
    return _svg(width, height, parts, f"rows from {heights[0][0]} to {heights[-1][0]}")


def number(value: float, digits: int | None = None) -> str:
    """A value as plain text; without `digits` as short as it is exact."""
    return f"{value:g}" if digits is None else f"{value:.{digits}f}"


def short(value: float) -> str:
    """A count for an axis: 1.2 M, 30 k, 500."""
    for size, unit in ((1e6, " M"), (1e3, " k")):
        if abs(value) >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"


def _padded(values: Sequence[float], start: float, end: float) -> Scale:
    room = (max(values) - min(values)) * 0.15 or abs(values[0]) * 0.05 or 1
    return Scale(min(values) - room, max(values) + room, start, end)


def _svg(width: int, height: int, parts: Sequence[str], label: str) -> Markup:
    head = f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">'
    return Markup(head + "".join(parts) + "</svg>")  # noqa: S704 - every text in the parts is escaped


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def _line(start: tuple[float, float], end: tuple[float, float], color: str, width: float, dash: str = "none") -> str:
    style = f'stroke="{color}" stroke-width="{width}" stroke-dasharray="{dash}" stroke-linecap="round"'
    return f'<line x1="{start[0]}" y1="{start[1]}" x2="{end[0]}" y2="{end[1]}" {style}/>'


def _bar(x: float, y: float, width: float, height: float, title: str) -> str:
    size = f'width="{round(width, 1)}" height="{round(height, 1)}"'
    return f'<rect x="{x}" y="{y}" {size} rx="1.5" fill="var(--model)"><title>{escape(title)}</title></rect>'


def _path(points: Points, color: str, width: float) -> str:
    steps = " ".join(f"{x},{y}" for x, y in points)
    return f'<polyline points="{steps}" fill="none" stroke="{color}" stroke-width="{width}" stroke-linejoin="round"/>'


def _tick(x: float, top: float, bottom: float, text: str, text_y: float) -> str:
    return f'<line class="grid" x1="{x}" y1="{top}" x2="{x}" y2="{bottom}"/>' + _text(x, text_y, text, "", "middle")


def _row(y: float, left: float, right: float, text: str) -> str:
    return f'<line class="grid" x1="{left}" y1="{y}" x2="{right}" y2="{y}"/>' + _text(left - 8, y + 4, text, "", "end")
