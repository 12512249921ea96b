"""Build the example's data folder: byte for byte the same from the pinned packages, on any machine."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipelines.example_docs import (
    DOMAIN_SOURCE,
    GENERAL_SOURCES,
    HELDOUT_GENERAL,
    Service,
    read_docstrings,
    read_services,
)
from pipelines.example_pairs import (
    Couple,
    by_split,
    couples,
    pair_rows,
    summary_rows,
    without_leaking_completions,
    without_leaks,
    without_repeats,
)
from pipelines.example_split import SPLITS, Seen, assign, families, order

Row = dict[str, Any]
# Pairs, before near-duplicates go: enough for a 95 % interval of about two points on the test accuracy.
WANTED_PAIRS = {"test": 2000, "validation": 900}
SHORTEST_TEXT = 40
REPEATED_SHARE = 0.8


def build_example(folder: Path) -> None:
    """Write corpus/, tasks/ and build.json below an empty `folder`, saying what was done.

    All in one process: a pool would save 4 of 12 s, and its workers would outlive a kill, holding the build's lock.
    """
    counts: Row = {}
    _write_services(folder, counts)
    _write_general(folder, counts)
    sources = {DOMAIN_SOURCE[0]: DOMAIN_SOURCE[1], **GENERAL_SOURCES}
    _write(folder / "build.json", json.dumps({"sources": sources, "counts": counts}, indent=2, sort_keys=True) + "\n")


def _write_services(folder: Path, counts: Row) -> None:
    """Everything from botocore: the pairs decide the splits, and the corpus keeps clear of them."""
    print(f"reading the documentation in {' '.join(DOMAIN_SOURCE)}", flush=True)
    services = read_services()
    drafts = {service.name: couples(service) for service in services}
    split_of = assign(families(services), {name: 4 * len(found) for name, found in drafts.items()}, WANTED_PAIRS)
    counts["services"] = {s: sum(v == s for v in split_of.values()) for s in SPLITS}
    print(f"splitting {len(services)} services by family: {told(counts['services'])}", flush=True)
    splits = by_split(services, split_of)
    pairs = _write_pairs(folder, {s: [c for v in splits[s] for c in drafts[v.name]] for s in SPLITS}, counts)
    _write_summaries(folder, splits, counts)
    _write_domain(folder, splits, [*pairs["validation"], *pairs["test"]], counts)


def _write_pairs(folder: Path, drafts: dict[str, list[Couple]], counts: Row) -> dict[str, list[Couple]]:
    unique = {split: without_repeats(found) for split, found in drafts.items()}
    kept = {"test": unique["test"]}
    kept["validation"] = without_leaks(unique["validation"], kept["test"])
    kept["train"] = without_leaks(unique["train"], [*kept["validation"], *kept["test"]])
    for split in SPLITS:
        rows = [row for couple in kept[split] for row in pair_rows(couple)]
        _write_rows(folder / "tasks" / "summary_check" / f"{split}.jsonl", rows)
        counts[f"summary_check/{split}"] = {
            "rows": len(rows),
            "rows_removed_repeated": 4 * (len(drafts[split]) - len(unique[split])),
            "rows_removed_near_duplicate_of_later_split": 4 * (len(unique[split]) - len(kept[split])),
        }
        print(f"tasks/summary_check/{split}: {told(counts[f'summary_check/{split}'])}", flush=True)
    return kept


def _write_summaries(folder: Path, splits: dict[str, list[Service]], counts: Row) -> None:
    drafts = {split: [row for service in splits[split] for row in summary_rows(service)] for split in SPLITS}
    kept = {"test": drafts["test"]}
    kept["validation"] = without_leaking_completions(drafts["validation"], kept["test"])
    kept["train"] = without_leaking_completions(drafts["train"], [*kept["validation"], *kept["test"]])
    for split in SPLITS:
        _write_rows(folder / "tasks" / "operation_summary" / f"{split}.jsonl", kept[split])
        counts[f"operation_summary/{split}"] = {
            "rows": len(kept[split]),
            "rows_removed_near_duplicate_of_later_split": len(drafts[split]) - len(kept[split]),
        }
        print(f"tasks/operation_summary/{split}: {told(counts[f'operation_summary/{split}'])}", flush=True)


def _write_domain(folder: Path, splits: dict[str, list[Service]], heldout: list[Couple], counts: Row) -> None:
    """Training text is that of the training services and quotes no pair of the other splits."""
    train = [row for service in splits["train"] for row in _service_rows(service, "train")]
    rest = [row for s in ("validation", "test") for service in splits[s] for row in _service_rows(service, "heldout")]
    pairs = Seen(text for couple in heldout for text in (*couple.documents, *couple.summaries))
    clean = [row for row in train if not pairs.quotes(row["text"])]
    counts["corpus/domain"] = {"rows_removed_quoting_a_held_out_pair": len(train) - len(clean)}
    _write_corpus(folder, "domain", [*clean, *rest], counts)


def _service_rows(service: Service, split: str) -> Iterator[Row]:
    texts = [(f"operation/{o.name}", o.text) for o in service.operations]
    texts += [(f"shape/{name}", text) for name, text in service.shapes]
    for name, text in texts:
        yield {"id": f"{service.name}/{name}", "text": text, "lang": "en", "domain": service.name, "split": split}


def _write_general(folder: Path, counts: Row) -> None:
    rows = (
        {"id": place, "text": text, "lang": "en", "domain": name, "split": _general_split(name)}
        for name, place, text in read_docstrings()
    )
    counts["corpus/general"] = {}
    _write_corpus(folder, "general", sorted(rows, key=lambda row: row["split"] == "heldout"), counts)


def _general_split(distribution: str) -> str:
    return "heldout" if distribution in HELDOUT_GENERAL else "train"


def _write_corpus(folder: Path, name: str, rows: Iterable[Row], counts: Row) -> None:
    """Training rows first, then held-out rows, both without texts that mostly repeat earlier ones."""
    seen, kept, count = Seen(), [], 0
    for row in rows:
        count += 1
        if len(row["text"]) >= SHORTEST_TEXT and seen.share(row["text"]) < REPEATED_SHARE:
            kept.append(row)
    kept.sort(key=lambda row: (row["split"] == "heldout", order(row["id"])))
    _write_rows(folder / "corpus" / f"{name}.jsonl", kept, keep_order=True)
    for split in ("train", "heldout"):
        texts = [row["text"] for row in kept if row["split"] == split]
        counts[f"corpus/{name}"][split] = {"rows": len(texts), "bytes": sum(len(t.encode()) for t in texts)}
    counts[f"corpus/{name}"]["rows_removed_short_or_repeated"] = count - len(kept)
    print(f"corpus/{name}: {told(counts[f'corpus/{name}'])}", flush=True)


def _write_rows(path: Path, rows: Iterable[Row], *, keep_order: bool = False) -> None:
    rows = rows if keep_order else sorted(rows, key=lambda row: order(row["id"]))
    lines = (json.dumps(row, ensure_ascii=False, sort_keys=True, separators=(",", ":")) for row in rows)
    _write(path, "".join(f"{line}\n" for line in lines))


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def told(counts: Mapping[str, Any]) -> str:
    """Counts in words: {"rows": 8504, "rows_removed": 3} is "8,504 rows, 3 rows removed"."""
    parts = [
        f"{name} {told(value)}" if isinstance(value, Mapping) else f"{value:,} {name.replace('_', ' ')}"
        for name, value in counts.items()
    ]
    return ", ".join(parts)
