"""The example's tasks: does a summary belong to a document (pairs), and writing the summary (generation)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Any

from pipelines.example_docs import Operation, Service
from pipelines.example_split import alike
from pipelines.example_text import plain, words

CAMEL_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
LONGEST_DOCUMENT = 600
SHORTEST_DOCUMENT_WORDS = 15
LONGEST_INPUTS = 12
EMPTY_WORDS = frozenset(words("a an the one or more of to for in your given specified this that"))


@dataclass(frozen=True)
class Couple:
    """Two operations of one service with names as alike as possible; each one's summary is the other's wrong one."""

    one: Operation
    other: Operation

    @property
    def documents(self) -> tuple[str, str]:
        return document(self.one), document(self.other)

    @property
    def summaries(self) -> tuple[str, str]:
        return self.one.summary, self.other.summary


def document(operation: Operation) -> str:
    """The documentation without its first sentence, cut to whole sentences of at most 600 characters."""
    text = ""
    for sentence in operation.body:
        if len(text) + len(sentence) + 1 > LONGEST_DOCUMENT:
            break
        text = f"{text} {sentence}".strip()
    return text or " ".join(operation.body)[:LONGEST_DOCUMENT].rsplit(" ", 1)[0]


def couples(service: Service) -> list[Couple]:
    """Match the operations of a service two by two, the most similar names first.

    Every document and every summary then stands in exactly one "yes" and one "no" row, so neither text alone
    says anything about the label. Operations without a partner that shares a word of the name are left out.
    """
    fit = [o for o in service.operations if _is_fit(o)]
    near = ((likeness(a.name, b.name), a, b) for a, b in combinations(fit, 2))
    ranked = sorted(((-n, a.name, b.name, a, b) for n, a, b in near if n > 0), key=lambda row: row[:3])
    taken: set[str] = set()
    found = []
    for _, one_name, other_name, one, other in ranked:
        if taken.isdisjoint((one_name, other_name)) and _are_distinct(one, other):
            taken |= {one_name, other_name}
            found.append(Couple(one, other))
    return found


def likeness(one: str, other: str) -> float:
    """Jaccard similarity of the words in two CamelCase names."""
    a, b = _name_words(one), _name_words(other)
    return len(a & b) / len(a | b)


@cache
def _name_words(name: str) -> frozenset[str]:
    return frozenset(w.lower() for w in CAMEL_WORD.findall(name))


def _is_fit(operation: Operation) -> bool:
    text = document(operation)
    is_long_enough = len(words(text)) >= SHORTEST_DOCUMENT_WORDS
    return bool(operation.summary) and is_long_enough and plain(operation.summary) not in plain(text)


def _are_distinct(one: Operation, other: Operation) -> bool:
    """Whether the right answer can be known: the texts differ by more than articles."""
    same_summary = _content(one.summary) == _content(other.summary)
    return not same_summary and plain(document(one)) != plain(document(other))


def _content(text: str) -> frozenset[str]:
    return frozenset(words(text)) - EMPTY_WORDS


def without_repeats(found: Iterable[Couple]) -> list[Couple]:
    """Keep the first of couples that share a document or a summary with an earlier one."""
    seen: set[str] = set()
    kept = []
    for couple in found:
        texts = {plain(text) for text in (*couple.documents, *couple.summaries)}
        if texts.isdisjoint(seen):
            kept.append(couple)
        seen |= texts
    return kept


def without_leaks(split: list[Couple], heldout: Iterable[Couple]) -> list[Couple]:
    """Leave out the couples of which a document or summary nearly stands in `heldout`."""
    heldout = list(heldout)
    documents = alike([t for c in split for t in c.documents], [t for c in heldout for t in c.documents], 5)
    summaries = alike([t for c in split for t in c.summaries], [t for c in heldout for t in c.summaries], 3)
    leaking = {position // 2 for position in documents | summaries}
    return [couple for number, couple in enumerate(split) if number not in leaking]


def pair_rows(couple: Couple) -> Iterator[dict[str, Any]]:
    """Two "yes" and two "no" rows; `group` names the couple, whose rows are not independent of each other."""
    for own, other in ((couple.one, couple.other), (couple.other, couple.one)):
        for label, source in (("yes", own), ("no", other)):
            yield {
                "id": f"{own.service}/{own.name}/{label}",
                "text_a": document(own),
                "text_b": source.summary,
                "label": label,
                "lang": "en",
                "service": own.service,
                "operation": own.name,
                "summary_of": source.name,
                "group": f"{couple.one.service}/{couple.one.name}+{couple.other.name}",
            }


def summary_rows(service: Service) -> Iterator[dict[str, Any]]:
    """Prompt (service, operation, names of its parameters) and completion (the first sentence)."""
    for operation in service.operations:
        if operation.summary:
            inputs = ", ".join(operation.inputs[:LONGEST_INPUTS]) or "none"
            yield {
                "id": f"{service.name}/{operation.name}",
                "prompt": f"Service: {service.title}\nOperation: {operation.name}\nParameters: {inputs}\nSummary:",
                "completion": operation.summary,
                "lang": "en",
                "service": service.name,
            }


def without_leaking_completions(
    rows: list[dict[str, Any]], heldout: Iterable[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Leave out rows whose completion nearly stands in `heldout`."""
    leaking = alike([r["completion"] for r in rows], [r["completion"] for r in heldout], 3)
    return [row for number, row in enumerate(rows) if number not in leaking]


def by_split(services: Iterable[Service], split_of: Mapping[str, str]) -> dict[str, list[Service]]:
    found: dict[str, list[Service]] = defaultdict(list)
    for service in services:
        found[split_of[service.name]].append(service)
    return found
