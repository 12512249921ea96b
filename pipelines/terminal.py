"""What a person reads in the terminal, and the JSON that a script reads instead."""

from __future__ import annotations

import json
import os
import sys
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.errors import Refused
from pipelines.settings import Settings

if TYPE_CHECKING:
    from pipelines.doctor import Check
    from pipelines.findings import Place, Result
    from pipelines.flow import Forecast
    from pipelines.services import Row
    from pipelines.verdict import Verdict

console = Console(highlight=False)


def parse_changes(pairs: Sequence[str]) -> dict[str, Any]:
    """Read `key=value` pairs; the value is TOML (3, true, "text"), and a bare word is a text."""
    return dict(_change(pair) for pair in pairs)


def _change(pair: str) -> tuple[str, Any]:
    key, equals, text = pair.partition("=")
    if not equals or not key:
        raise Refused(f"--set {pair!r}: write key=value, for example finetune.epochs=3")
    try:
        return key, tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return key, text


@contextmanager
def aside(as_json: bool) -> Iterator[None]:
    """Meanwhile, what is printed goes to standard error, where standard output is to be one JSON document.

    The descriptor itself is turned, so that this holds for child processes too.
    """
    if not as_json:
        yield
        return
    sys.stdout.flush()
    output = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(output, 1)
        os.close(output)


def document(value: Any) -> None:
    """Print one JSON document."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def where_to_look(settings: Settings) -> None:
    """The pages, and where the passwords lie."""
    users = "engineer, reviewer, second_reviewer, admin"
    print(f"Airflow  {settings.airflow_url}   (users {users}; passwords in {settings.passwords})")
    print(f"MLflow   {settings.mlflow_url}")


def status(rows: Sequence[Row], *, as_json: bool) -> None:
    """One line a service."""
    if as_json:
        document([asdict(row) for row in rows])
        return
    table = Table("service", "state", "pid", "where", box=None)
    for row in rows:
        table.add_row(row.name, _mark(row.healthy, row.state), str(row.pid or ""), row.where)
    console.print(table)


def doctor(checks: Sequence[Check], *, as_json: bool) -> None:
    """One line a check, and the cure of what is wrong."""
    if as_json:
        document([asdict(check) for check in checks])
        return
    for check in checks:
        console.print(_mark(check.ok, f"{check.name:14s}"), check.detail, soft_wrap=True)
        if not check.ok and check.cure:
            console.print(f"   -> {check.cure}", soft_wrap=True)


def plan(forecasts: Sequence[Forecast], *, as_json: bool) -> None:
    """One line a stage: reused or run, and why."""
    if as_json:
        document([asdict(forecast) for forecast in forecasts])
        return
    table = Table("stage", "", "why", box=None)
    for forecast in forecasts:
        table.add_row(forecast.stage, "[dim]reused[/]" if forecast.reused else "[bold]runs[/]", escape(forecast.why))
    console.print(table)


def report(report: dict[str, Any], verdicts: Sequence[Verdict], *, as_json: bool) -> None:
    """The scores beside the baselines, and the gates."""
    if as_json:
        document({"report": report, "gates": [verdict.model_dump() for verdict in verdicts]})
        return
    scores(report)
    for verdict in verdicts:
        said = escape(f"{verdict.metric} {verdict.condition}: {verdict.message}")
        console.print(_mark(verdict.passed, verdict.outcome), said, soft_wrap=True)


def scores(report: dict[str, Any]) -> None:
    """The primary metric of the model and of everything it is compared with, with 95 % intervals."""
    name = report["primary"]
    own = report["metrics"][name]
    table = Table("", name, "the new model is better by", box=None)
    interval = f"[dim]({own['low']:.3f} to {own['high']:.3f})[/]"
    table.add_row("[bold]new model[/]", f"[bold]{own['value']:.3f}[/] {interval}", "")
    others = {f"baseline: {key}": value for key, value in report["baselines"].items()}
    others["without pretraining"], others["champion until now"] = report.get("control"), report.get("champion")
    others["its teacher"] = report.get("teacher")
    for label, other in others.items():
        if other and other["difference"] is None:
            instead = ", ".join(f"it has {key} {value:.3f}" for key, value in other["metrics"].items())
            table.add_row(label.replace("_", " "), "-", instead)
        elif other:
            change = other["difference"]
            interval = f"{change['value']:+.3f} ({change['low']:+.3f} to {change['high']:+.3f})"
            table.add_row(label.replace("_", " "), f"{other['metrics'][name]:.3f}", interval)
    console.print(table)
    bits(report)


def bits(report: dict[str, Any]) -> None:
    """Bits per byte before and after: learning and forgetting, side by side."""
    stages, change = report["bits_per_byte"], report["bits_per_byte_change"]
    before, after = stages["base"], stages["pretrained"]
    for text in change:
        console.print(f"bits per byte, {text}: {before[text]:.3f} -> {after[text]:.3f} ({change[text]:+.1%})")


def variants(found: dict[str, Any], *, as_json: bool) -> None:
    """One line a variant: what it scores, what it costs, and each gate that refuses it."""
    if as_json:
        document(found)
        return
    name = found["primary"]
    table = Table("variant", name, "agrees", "parameters", "bytes", "ms a text, p50", "p95", "gates", box=None)
    for row in found["variants"]:
        own, refused = row["metrics"][name], [gate for gate in row["gates"] if gate["outcome"] != "pass"]
        score = f"{own['value']:.3f} ({own['low']:.3f} to {own['high']:.3f})"
        said = _mark(
            not refused, escape("; ".join(f"{gate['metric']}: {gate['message']}" for gate in refused)) or "pass"
        )
        times = (f"{row['ms_p50']:.2f}", f"{row['ms_p95']:.2f}")
        sizes = (f"{row['parameters']:,}", f"{row['bytes']:,}")
        table.add_row(row["variant"], score, f"{row['agreement']:.1%}", *sizes, *times, said)
    console.print(table)
    console.print(f"files: {found['folder']}", markup=False, soft_wrap=True)


def audit(found: dict[str, Any], *, as_json: bool) -> None:
    """The champion's whole story, one fact a line."""
    if as_json:
        document(found)
        return
    from rich.markup import escape

    for key, value in found.items():
        if isinstance(value, list):
            console.print(f"[bold]{key}[/]")
            for item in value:
                facts = [f"{k}: {v}" for k, v in item.items()] if isinstance(item, dict) else [str(item)]
                console.print("  " + "  ".join(facts), markup=False, soft_wrap=True)
        else:
            console.print(f"[bold]{key:22s}[/] {escape(str(value))}", soft_wrap=True)


def checked(result: Result, *, as_json: bool) -> None:
    """What checking files found: a finding with its places and cure each, and the verdict in one line."""
    if as_json:
        print(result.model_dump_json(indent=2))
        return
    colours = {"reject": "red", "quarantine": "yellow", "warn": "cyan", "accept": "green"}
    for finding in result.findings:
        console.print(f"[{colours[finding.severity]}]{finding.severity:10s}[/] [bold]{finding.check}[/]", end="  ")
        console.print(finding.message, markup=False, soft_wrap=True)
        for where in _places(finding.examples):
            console.print(f"           {where}", markup=False, style="dim", soft_wrap=True)
        console.print(f"           -> {finding.cure}", markup=False, soft_wrap=True)
    words = {
        "reject": "refused",
        "quarantine": "accepted in part",
        "warn": "accepted, with warnings",
        "accept": "accepted",
    }
    told = f"{result.rows:,} rows, {result.accepted:,} accepted, {result.quarantined:,} set aside"
    console.print(f"[{colours[result.verdict]}]{words[result.verdict]}[/]: {told}", soft_wrap=True)


def _places(examples: Sequence[Place]) -> Iterator[str]:
    """The first places of each file in a line."""
    files: dict[str, list[str]] = {}
    for place in examples:
        files.setdefault(place.file, []).extend([str(place.line)] if place.line else [])
    for file, lines in list(files.items())[:5]:
        more = " ..." if len(lines) > 8 else ""
        yield f"{file}, lines {', '.join(lines[:8])}{more}" if lines else file


def _mark(good: bool, text: str) -> str:
    return f"[green]{text}[/]" if good else f"[red]{text}[/]"
