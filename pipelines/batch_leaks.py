"""Leaks that a batch brings: the data as it would be, looked at as a training's validation will look at it.

Only what the batch makes worse is held against it, and it is shown where in the batch it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pipelines.check_files import read_set
from pipelines.facts import View
from pipelines.findings import Finding, Place
from pipelines.formats import FORMATS
from pipelines.judgement import Subject, findings_of, judged, other_task_subject, pair_subject
from pipelines.leaks import corpus_measures, heldout_measures, leak_measures, other_task_measures
from pipelines.measure import EXAMPLES, Measure
from pipelines.recipe import Recipe
from pipelines.routing import form_of, targets
from pipelines.sources import Source
from pipelines.suites import corpus_checks, heldout_checks
from pipelines.tally import Role, Tally

Say = Callable[[str], None]
Files = Mapping[str, Path]
# Leaks whose rows can be shown in either set.
SHOWN = ("ids_in_both", "leakage", "near_leakage", "answer_leakage")


@dataclass
class Readings:
    """Files of the data, each read once; every tally has a folder of its own below `scratch`."""

    recipe: Recipe
    scratch: Path
    say: Say
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    known: dict[Path, Tally] = field(default_factory=dict)

    def of(self, target: str, files: Files) -> Tally:
        """A file of the data, as a training will read it."""
        path = files[target]
        if path not in self.known:
            self.known[path] = self.read(target, [Source(target, path)], self._role(target))
        return self.known[path]

    def _role(self, target: str) -> Role:
        if any(target == one.files["train"] for one in self.recipe.finetune.auxiliary):
            return "auxiliary"
        is_training = target in self.recipe.data.corpora.values() or target.endswith("/train.jsonl")
        return "training" if is_training else "evaluation"

    def read(self, target: str, files: Sequence[Source], role: Role) -> Tally:
        self.say(f"looking for leaks: {target}")
        folder = self.scratch / str(len(list(self.scratch.glob("*"))))
        folder.mkdir(parents=True)
        view = View(FORMATS[form_of(target, self.recipe)], self.recipe.validation, None, self.now)
        tally = Tally(view, [file.name for file in files], folder, None, role)
        read_set(tally, files, self.say)
        return tally


@dataclass(frozen=True)
class Change:
    """The files of a recipe before a batch and after it, and the files of the batch for each of them."""

    read: Readings
    before: Files
    after: Files
    new: Mapping[str, Sequence[Source]]

    def applies(self, *targets: str) -> bool:
        return any(t in self.new for t in targets) and all(t in self.after for t in targets)

    def had(self, *targets: str) -> bool:
        return all(target in self.before for target in targets)


def leaks(change: Change) -> Iterator[Finding]:
    """What is wrong between the files of the data after a batch, and was less so before."""
    role = targets(change.read.recipe)
    for one, other in (("test", "train"), ("test", "validation"), ("validation", "train")):
        yield from _between(role[one], role[other], change)
    for auxiliary in change.read.recipe.finetune.auxiliary:
        files = auxiliary.files
        yield from _between(files["validation"], files["train"], change)
        for one in ("test", "validation"):
            yield from _between(role[one], files["train"], change, OTHER_TASK)
    for corpus in dict.fromkeys(change.read.recipe.data.corpora.values()):
        yield from _in_corpus(role["test"], corpus, change)
        if corpus in change.new:
            yield from _held_out(corpus, change)


# How an evaluation set is compared with a training set: the subject of a judgement, and the measures alone.
Comparison = tuple[Callable[[str, Tally, Tally], Subject], Callable[[Tally, Tally], Mapping[str, Measure]]]
SAME_TASK: Comparison = (pair_subject, leak_measures)
OTHER_TASK: Comparison = (other_task_subject, other_task_measures)


def _between(one: str, other: str, change: Change, compared: Comparison = SAME_TASK) -> Iterator[Finding]:
    """Rows of the evaluation set `one` in `other`."""
    if not change.applies(one, other):
        return
    read = change.read
    subject_of, measures_of = compared
    subject = subject_of(f"{one} in {other}", read.of(one, change.after), read.of(other, change.after))
    found = [f for f in findings_of(judged(subject)) if f.check != "unknown_labels" or one in change.new]
    if not found:
        return
    old = measures_of(read.of(one, change.before), read.of(other, change.before)) if change.had(one, other) else {}
    places = _places(one, other, change, compared)
    for finding in _worse(found, old):
        shown = places.get(finding.check) or finding.examples
        yield finding.model_copy(
            update={"message": f"{finding.message} ({one} and {other})", "examples": tuple(shown[:EXAMPLES])}
        )


def _places(one: str, other: str, change: Change, compared: Comparison) -> dict[str, list[Place]]:
    """Where in the batch the rows stand that are in both sets, whichever of them the batch has rows for."""
    found: dict[str, list[Place]] = {}
    for mine, theirs in ((one, other), (other, one)):
        if mine in change.new:
            tally = change.read.read(mine, change.new[mine], "evaluation")
            measures = compared[1](tally, change.read.of(theirs, change.after))
            for name in SHOWN:
                if name in measures:
                    found.setdefault(name, []).extend(measures[name].places)
    return found


def _in_corpus(test: str, corpus: str, change: Change) -> Iterator[Finding]:
    """Texts of the test set in a corpus to train on."""
    if not change.applies(test, corpus):
        return
    read, recipe = change.read, change.read.recipe
    checks = corpus_checks(FORMATS[form_of(test, recipe)], recipe.validation)
    measures = corpus_measures(read.of(test, change.after), read.of(corpus, change.after), change.after[corpus])
    if found := list(findings_of(judged(Subject(f"{test} in {corpus}", measures, checks)))):
        old: Mapping[str, Measure] = {}
        if change.had(test, corpus):
            old = corpus_measures(read.of(test, change.before), read.of(corpus, change.before), change.before[corpus])
        yield from _worse(found, old)


def _held_out(corpus: str, change: Change) -> Iterator[Finding]:
    """Held-out texts of a corpus that it also has to train on."""
    checks = [check for check in heldout_checks() if check.name == "heldout_in_training"]
    measures = heldout_measures(change.read.of(corpus, change.after))
    if found := list(findings_of(judged(Subject(f"{corpus}: held out", measures, checks)))):
        yield from _worse(found, heldout_measures(change.read.of(corpus, change.before)) if change.had(corpus) else {})


def _worse(found: Sequence[Finding], old: Mapping[str, Measure]) -> list[Finding]:
    """What the batch does not make worse is no reason to refuse it."""
    return [finding for finding in found if finding.check not in old or finding.rows > old[finding.check].rows]
