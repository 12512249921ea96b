"""What only the whole of a set can tell: repeated ids, copies, boilerplate, balance, order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipelines.blocks import PLACE
from pipelines.formats import Recommendation
from pipelines.measure import EXAMPLES, Measure, shown
from pipelines.tally import Tally
from pipelines.toxicity import toxic

if TYPE_CHECKING:
    import polars as pl

COMMON = 0.01  # share of the rows that must begin alike for it to be boilerplate, and at least:
COMMON_ROWS = 10


def set_measures(tally: Tally) -> dict[str, Measure]:
    """Every measure of a set."""
    rows = tally.rows
    found = dict(tally.measures)
    found["rows"] = Measure(rows, rows, value=rows)
    found["repeated_ids"] = gathered(tally, (_again(part, ["id_key"]) for part in tally.ids.parts()))
    found["copies"] = gathered(tally, (_again(part, ["text_key", "answer_key"]) for part in tally.texts.parts()))
    found["set_aside"] = Measure(tally.set_aside, rows)
    found["boilerplate"] = _boilerplate(tally)
    if tally.view.form.LABEL:
        found |= _label_measures(tally)
    if tally.view.form is Recommendation:
        found["unordered"] = gathered(tally, map(_unordered, tally.users.parts()))
    found["near_copies"] = _near_copies(tally)
    if tally.sample and tally.view.limits.toxicity:
        found["toxicity"], places = toxic(tally.sample, tally.view.limits.toxicity)
        found["toxicity"].places = tally.places(places)
    found["near_unread"] = Measure(tally.unread)
    for measure in found.values():
        measure.of = measure.of or rows
    return found


def gathered(tally: Tally, parts: Iterator[pl.DataFrame]) -> Measure:
    """The rows of all parts, with the first places."""
    found = Measure()
    first: list[int] = []
    for part in parts:
        found.rows += len(part)
        first = sorted([*first, *part[PLACE].bottom_k(EXAMPLES).to_list()])[:EXAMPLES]
    found.places = tally.places(first)
    return found


def _again(part: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    import polars as pl

    return part.filter(~pl.struct(key).is_first_distinct())


def _unordered(part: pl.DataFrame) -> pl.DataFrame:
    import polars as pl

    before = pl.col("timestamp").shift().over("user_key", order_by=PLACE)
    return part.filter(pl.col("timestamp") < before)


def _boilerplate(tally: Tally) -> Measure:
    """Rows whose first or last 40 characters are those of a hundredth of all rows, and of ten at least."""
    import polars as pl

    least = max(COMMON_ROWS, COMMON * tally.rows)
    common = [part.filter(pl.len().over("key") >= least) for part in tally.edges.parts()]
    rows = pl.concat([part[PLACE] for part in common]).unique().sort()
    return Measure(len(rows), places=tally.places(rows.head(EXAMPLES).to_list()))


def _label_measures(tally: Tally) -> dict[str, Measure]:
    import polars as pl

    labelled = sum(tally.labels.values())
    rarest, fewest = min(tally.labels.items(), key=lambda found: (found[1], found[0]), default=("", 0))
    used = sum(1 for count in tally.labels.values() if count)
    torn, texts = 0, 0
    places: list[int] = []
    for part in tally.texts.parts():
        groups = part.group_by("text_key").agg(pl.col("answer_key").n_unique().alias("answers"), pl.col(PLACE).min())
        both = groups.filter(pl.col("answers") > 1)
        torn, texts = torn + len(both), texts + len(groups)
        places = sorted([*places, *both[PLACE].bottom_k(EXAMPLES).to_list()])[:EXAMPLES]
    found = {
        "single_class": Measure(labelled, tally.rows, value=used),
        "rarest_label": Measure(fewest, tally.rows),
        "contradictions": Measure(torn, texts, tally.places(places)),
    }
    found["rarest_label"].words[shown(rarest)] = fewest
    return found


def _near_copies(tally: Tally) -> Measure:
    if tally.near is None:
        return Measure()
    later = tally.near.repeats()
    return Measure(len(later), len(tally.near), tally.places(later[:EXAMPLES].tolist()))
