"""What validation costs, beside a plain polars scan of the same numbers and the same suite on pandas.

    .venv/bin/python tests/benchmarks/validation.py [--rows 1000000] [--sides ours,polars,pandas,...]

Each side runs in a process of its own, after its imports. CPU is user and system time of all threads, peak is the
process' largest resident size, imports included. The file has a label, a text of 5 to 40 words and an id in each row.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

LABELS = "abcde"
TEXT = "text"


def write(path: Path, rows: int) -> None:
    """Deterministic rows of classification, English words made of letters."""
    chosen = random.Random(0)
    words = ["".join(chosen.choices("abcdefghijklmnopqrstuvwxyz", k=chosen.randint(2, 9))) for _ in range(5000)]
    with path.open("w", encoding="utf-8") as file:
        for number in range(rows):
            text = " ".join(chosen.choices(words, k=chosen.randint(5, 40)))
            row = {"id": f"r{number}", TEXT: text, "label": LABELS[number % 5], "lang": "en"}
            file.write(json.dumps(row) + "\n")


def ours(**limits: float) -> Callable[[Path], object]:
    import polars  # noqa: F401, ICN001
    import pyarrow.json  # noqa: F401

    from pipelines.check_files import check_files
    from pipelines.expectations import judge
    from pipelines.limits import Limits

    judge("nothing", {}, [])
    given = Limits(**({"near_duplicates": False, "personal_data": 1.0} | limits))
    return lambda path: check_files([path], "classification", given, labels=LABELS, say=lambda _: None)


def scan() -> Callable[[Path], object]:
    """The same numbers as one lazy polars query for each row-wise part, and one for each that needs all rows."""
    import polars as pl

    from pipelines.facts import EDGE
    from pipelines.plain_text import CONTROL, MOJIBAKE, REPLACEMENT, VISIBLE

    def plain(text: pl.Expr) -> pl.Expr:
        folded = text.str.normalize("NFKC").str.to_uppercase().str.to_lowercase().str.replace_all(r"\p{Cf}+", "")
        return folded.str.replace_all(r"\s{2,}|[^\S ]", " ").str.strip_chars()

    def measure(path: Path) -> object:
        text = pl.col(TEXT)
        frame = pl.scan_ndjson(path, schema=dict.fromkeys(("id", TEXT, "label", "lang"), pl.String))
        frame = frame.with_columns(plain=plain(text))
        whole = pl.col("plain")
        numbers = frame.select(
            pl.len().alias("rows"),
            pl.col("id").null_count().alias("no_id"),
            pl.col("id").n_unique().alias("ids"),
            pl.struct("plain", "label").n_unique().alias("rows_once"),
            pl.col("plain").n_unique().alias("texts_once"),
            (~text.str.contains(VISIBLE)).sum().alias("empty"),
            text.str.len_chars().min().alias("shortest"),
            text.str.len_chars().max().alias("longest"),
            text.str.contains(CONTROL).sum().alias("control"),
            text.str.contains(REPLACEMENT, literal=True).sum().alias("replacement"),
            text.str.contains(MOJIBAKE).sum().alias("mojibake"),
            (text.str.contains(r"\p{L}") & ~text.str.contains(r"\p{Latin}")).sum().alias("other_script"),
            pl.col("label").is_in(list(LABELS)).not_().sum().alias("unknown"),
            (whole.str.head(EDGE).value_counts().struct.field("count") > 10_000).sum().alias("starts"),
            (whole.str.tail(EDGE).value_counts().struct.field("count") > 10_000).sum().alias("ends"),
        )
        labels = frame.group_by("label").len()
        torn = (
            frame.group_by("plain").agg(pl.col("label").n_unique().alias("n")).filter(pl.col("n") > 1).select(pl.len())
        )
        return pl.collect_all([numbers, labels, torn])

    return measure


def pandas() -> Callable[[Path], object]:
    """The same suite, as far as built-in expectations go, on the rows in a pandas frame."""
    import pandas as pd
    from great_expectations import expectations as gxe

    from pipelines.expectations import _context, _great_expectations
    from pipelines.plain_text import CONTROL

    gx = _great_expectations()

    def measure(path: Path) -> object:
        frame = pd.read_json(path, lines=True, dtype=False)
        text = frame[TEXT]
        folded = text.str.normalize("NFKC").str.upper().str.lower().str.replace(r"\s+", " ", regex=True).str.strip()
        frame["plain"], frame["start"], frame["end"] = folded, folded.str[:40], folded.str[-40:]
        frame["labels"] = frame.groupby("plain")["label"].transform("nunique")
        for edge in ("start", "end"):
            frame[f"like_{edge}"] = frame.groupby(edge)["id"].transform("size")
        expected: list[Any] = [gxe.ExpectTableRowCountToBeBetween(min_value=1)]
        expected += [gxe.ExpectColumnValuesToNotBeNull(column=name) for name in ("id", TEXT, "label", "lang")]
        expected += [gxe.ExpectColumnValuesToBeOfType(column=name, type_="str") for name in ("id", TEXT, "label")]
        expected += [
            gxe.ExpectColumnValuesToBeUnique(column="id"),
            gxe.ExpectCompoundColumnsToBeUnique(column_list=["plain", "label"], mostly=0.99),
            gxe.ExpectColumnValueLengthsToBeBetween(column=TEXT, min_value=1, max_value=200_000),
            gxe.ExpectColumnValuesToMatchRegex(column=TEXT, regex=r"\S"),
            gxe.ExpectColumnValuesToNotMatchRegex(column=TEXT, regex=CONTROL, mostly=0.995),
            gxe.ExpectColumnValuesToNotMatchRegex(column=TEXT, regex="\ufffd", mostly=0.995),
            gxe.ExpectColumnValuesToNotMatchRegex(column=TEXT, regex="[\u00c2-\u00f4][\u0080-\u00bf]", mostly=0.995),
            gxe.ExpectColumnValuesToMatchRegex(column=TEXT, regex="[A-Za-z]", mostly=0.95),
            gxe.ExpectColumnValuesToBeInSet(column="label", value_set=list(LABELS)),
            gxe.ExpectColumnUniqueValueCountToBeBetween(column="label", min_value=2),
            gxe.ExpectColumnValuesToBeBetween(column="labels", max_value=1, mostly=0.99),
            gxe.ExpectColumnValuesToBeBetween(column="like_start", max_value=10_000, mostly=0.8),
            gxe.ExpectColumnValuesToBeBetween(column="like_end", max_value=10_000, mostly=0.8),
        ]
        asset = _context(gx).data_sources.add_pandas("rows").add_dataframe_asset("rows")
        batch = asset.add_batch_definition_whole_dataframe("all").get_batch(batch_parameters={"dataframe": frame})
        return batch.validate(gx.ExpectationSuite(name="rows", expectations=expected), result_format="BOOLEAN_ONLY")

    return measure


SIDES: dict[str, tuple[str, Callable[[], Callable[[Path], object]]]] = {
    "ours": ("scriptorium, the whole suite", ours),
    "polars": ("plain polars scan, the same numbers", scan),
    "pandas": ("Great Expectations on pandas", pandas),
    "near": ("scriptorium, with near duplicates", lambda: ours(near_duplicates=True)),
    "personal": ("scriptorium, with personal data", lambda: ours(personal_data=0.0)),
}


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def run(side: str, path: Path) -> None:
    """Measure a side in this process, and print the numbers as JSON."""
    measure = SIDES[side][1]()
    start, clock = cpu(), time.monotonic()
    measure(path)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"imports": start, "cpu": cpu() - start, "wall": time.monotonic() - clock, "peak": peak}))


def compare(rows: int, sides: list[str]) -> None:
    """One line a side, and how many times the plain scan's CPU it took."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        write(path, rows)
        print(f"{rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB of JSON lines")
        print(f"{'':38s} {'CPU s':>8s} {'wall s':>8s} {'peak MB':>8s} {'imports s':>10s} {'x scan':>8s}")
        plain = None
        for side in sorted(sides, key=lambda side: side != "polars"):
            command = [sys.executable, __file__, "--run", side, "--file", str(path)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found = json.loads(done.stdout.splitlines()[-1])
            plain = plain or found["cpu"]
            numbers = f"{found['cpu']:8.1f} {found['wall']:8.1f} {found['peak']:8.0f} {found['imports']:10.1f}"
            print(f"{SIDES[side][0]:38s} {numbers} {found['cpu'] / plain:8.2f}", flush=True)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--sides", default=",".join(SIDES))
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        run(given.run, given.file)
    else:
        compare(given.rows, given.sides.split(","))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
    main()
