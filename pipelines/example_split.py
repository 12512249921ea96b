"""Which service of the example is for training, validation or test, and what is too alike to stand on both sides."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from pipelines.example_docs import Service
from pipelines.example_text import plain, sentences, shingles, words

SPLITS = ("train", "validation", "test")


def order(name: str) -> str:
    """A fixed, random-like place: rows in this order are a random sample from any prefix on."""
    return hashlib.sha256(name.encode()).hexdigest()


def families(services: Iterable[Service], shared: int = 5) -> dict[str, str]:
    """Service to the first service of its family; services that share five sentences are one family.

    Successors and variants (waf, waf-regional, wafv2) repeat each other, so they must not be split.
    """
    services = list(services)
    said = defaultdict(set)
    for service in services:
        for operation in service.operations:
            for sentence in (operation.summary, *operation.body):
                if len(words(sentence)) >= 8:
                    said[plain(sentence)].add(service.name)
    # A sentence of more than ten services is a turn of phrase, not a relation.
    together = Counter(pair for names in said.values() if len(names) <= 10 for pair in combinations(sorted(names), 2))
    parent = {service.name: service.name for service in services}
    for (one, other), count in sorted(together.items()):
        if count >= shared:
            first, second = sorted((_root(parent, one), _root(parent, other)))
            parent[second] = first
    return {name: _root(parent, name) for name in parent}


def _root(parent: Mapping[str, str], name: str) -> str:
    while parent[name] != name:
        name = parent[name]
    return name


def assign(family_of: Mapping[str, str], sizes: Mapping[str, int], wanted: Mapping[str, int]) -> dict[str, str]:
    """Service to split: whole families, in random-like order, until a split has `wanted` of `sizes`.

    A family larger than a tenth of the test split goes to training, so that no one service decides a score.
    """
    size_of = Counter[str]()
    for service, size in sizes.items():
        size_of[family_of[service]] += size
    filled, split_of = Counter[str](), {}
    for family in sorted(size_of, key=order):
        small = size_of[family] <= wanted["test"] / 10
        open_splits = (s for s in ("test", "validation") if small and filled[s] < wanted[s])
        split_of[family] = next(open_splits, "train")
        filled[split_of[family]] += size_of[family]
    return {service: split_of[family] for service, family in family_of.items()}


def alike(texts: Sequence[str], others: Iterable[str], size: int, at_least: float = 0.5) -> set[int]:
    """Positions of `texts` whose word shingles have a Jaccard similarity of `at_least` with one of `others`.

    Exact, by an inverted index: at this size that is as fast as MinHash, and nothing is missed.
    """
    index, lengths = defaultdict(list), []
    for number, other in enumerate(others):
        found = shingles(other, size)
        lengths.append(len(found))
        for shingle in found:
            index[shingle].append(number)
    return {i for i, text in enumerate(texts) if _nearest(shingles(text, size), index, lengths) >= at_least}


def _nearest(found: frozenset[str], index: Mapping[str, list[int]], lengths: Sequence[int]) -> float:
    common = Counter(number for shingle in found if shingle in index for number in index[shingle])
    return max((n / (len(found) + lengths[number] - n) for number, n in common.items()), default=0.0)


class Seen:
    """Sentences met so far, to find texts that say nothing new."""

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.sentences: set[str] = set()
        for text in texts:
            self.sentences.update(s for s in _plain_sentences(text) if s.count(" ") >= 4)

    def share(self, text: str) -> float:
        """Share of the characters of `text` that stand in sentences met before; then remember them all."""
        found = _plain_sentences(text)
        known = sum(len(s) for s in found if s in self.sentences)
        self.sentences.update(found)
        return known / max(1, sum(map(len, found)))

    def quotes(self, text: str) -> bool:
        """Whether `text` holds one of the sentences met before, of five words or more."""
        return not self.sentences.isdisjoint(s for s in _plain_sentences(text) if s.count(" ") >= 4)


def _plain_sentences(text: str) -> list[str]:
    return [plain(s) for paragraph in text.split("\n") for s in sentences(paragraph)]
