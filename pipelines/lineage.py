"""What came of a version of the data: the runs that read it, their candidates, and the champions among these.

Read from what lies at the artifact root. MLflow, where it answers, adds under which number a candidate stands there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from models.tasks import TASKS
from pipelines import dossier as dossiers
from pipelines import ledger
from pipelines.artifact_root import uri_of
from pipelines.dossier import Dossier
from pipelines.errors import ScriptoriumError
from pipelines.gates import passed
from pipelines.run import runs
from pipelines.settings import Settings
from pipelines.shared import bring_all

Use = Literal["corpus", "replay", "train", "validation", "test"]
# What shapes weights: texts that are learned from, and those by which the best epoch is chosen.
LEARNED: frozenset[Use] = frozenset(("corpus", "replay", "train", "validation"))
SPLITS: tuple[Use, ...] = ("train", "validation", "test")


class Told(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Kept(BaseModel):
    """A part of a frozen run; what is not used here is ignored, for the run may be older than this code."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class KeptReplay(Kept):
    corpus: str


class KeptData(Kept):
    corpus: str
    examples: str
    replay: KeptReplay
    earlier: tuple[KeptReplay, ...] = ()


class KeptModel(Kept):
    """A model that the recipe names."""

    model: str | dict[str, str]
    artifact: str | None = None

    def is_of(self, candidate: Candidate) -> bool:
        """Whether it is the folder of a candidate, or its copy among the promoted."""
        named = isinstance(self.model, str) and (
            self.model.startswith(candidate.uri) or candidate.weights in self.model
        )
        return named or self.artifact == candidate.weights


class KeptChain(Kept):
    there: KeptModel
    back: KeptModel


class KeptAugment(Kept):
    back_translation: KeptChain | None = None


class KeptAuxiliary(Kept):
    examples: str


class KeptFinetune(Kept):
    auxiliary: tuple[KeptAuxiliary, ...] = ()
    augment: KeptAugment | None = None


class KeptRecipe(Kept):
    name: str
    task: str
    data: KeptData
    base: KeptModel
    finetune: KeptFinetune = KeptFinetune()


class KeptRun(Kept):
    """A frozen run as far as it says what it read."""

    run_id: str
    dataset_md5: str
    requested_by: str
    recipe: KeptRecipe

    def use_of(self, file: str) -> Use | None:
        """What the run does with a file of the data; None for one that its recipe does not read."""
        data = self.recipe.data
        splits = {f"{data.examples}/{split}.jsonl": split for split in SPLITS}
        # Of an auxiliary task, the test rows are not read.
        for one in self.recipe.finetune.auxiliary:
            splits |= {f"{one.examples}/{split}.jsonl": split for split in SPLITS[:2]}
        replayed = {one.corpus for one in (data.replay, *data.earlier)}
        return "corpus" if file == data.corpus else "replay" if file in replayed else splits.get(file)

    def learns(self, use: Use) -> bool:
        """Whether its model holds what it read for a use; one that answers with known texts keeps those of the test."""
        task = TASKS.get(self.recipe.task)
        return use in LEARNED or (use == "test" and task is not None and task.answer == "passage")

    @property
    def name(self) -> str:
        """Recipe and run id: the id is its own only within a recipe."""
        return f"{self.recipe.name}/{self.run_id}"

    def starts_from(self, candidate: Candidate) -> bool:
        """Whether the base model is a candidate."""
        return self.recipe.base.is_of(candidate)

    def is_translated_by(self, candidate: Candidate) -> bool:
        """Whether a candidate translated training rows, there or back."""
        augment = self.recipe.finetune.augment
        chain = augment.back_translation if augment else None
        return chain is not None and (chain.there.is_of(candidate) or chain.back.is_of(candidate))


class Candidate(Told):
    """A model that was judged: its dossier, what was decided, and its numbers in the registry where that is known."""

    dossier: str
    uri: str
    weights: str
    passed: bool
    decision: str | None
    version: str | None
    champion: bool
    registered: tuple[str, ...] = ()

    @property
    def waits(self) -> bool:
        """Whether it may still become the champion: its gates passed, and nobody has decided."""
        return self.passed and self.decision is None


class Lineage(Told):
    """All that is known of runs and models; `gaps` says what could not be asked or read."""

    runs: tuple[KeptRun, ...]
    candidates: dict[str, tuple[Candidate, ...]]
    gaps: tuple[str, ...]

    def of(self, run: KeptRun) -> tuple[Candidate, ...]:
        """What came of a run."""
        return self.candidates.get(run.name, ())


def read_lineage(settings: Settings) -> Lineage:
    """Read the runs, dossiers and ledgers below the artifact root, and ask MLflow if it answers."""
    gaps: list[str] = []
    runs = _runs(settings, gaps)
    found = _dossiers(settings, gaps)
    names = sorted({dossier.name for dossier in found})
    decided = {name: _entries(name, settings, gaps) for name in names}
    registered = _registered(names, settings, gaps) if names else {}
    candidates: dict[str, list[Candidate]] = {}
    for dossier in found:
        candidate = _candidate(dossier, decided[dossier.name], registered)
        candidates.setdefault(f"{dossier.name}/{dossier.run_id}", []).append(candidate)
    return Lineage(runs=tuple(runs), candidates={k: tuple(v) for k, v in candidates.items()}, gaps=tuple(gaps))


def _runs(settings: Settings, gaps: list[str]) -> list[KeptRun]:
    found = []
    bring_all(runs(settings), settings)
    for path in sorted(runs(settings).glob("*/*/run.json")):
        try:
            found.append(KeptRun.model_validate_json(path.read_bytes()))
        except (ValidationError, OSError):
            gaps.append(f"{path} is no frozen run that can be read; look at it by hand")
    return found


def _dossiers(settings: Settings, gaps: list[str]) -> list[Dossier]:
    found = []
    bring_all(dossiers.folder(settings), settings, named={dossiers.DOSSIER})
    for path in sorted(dossiers.folder(settings).glob(f"*/{dossiers.DOSSIER}")):
        try:
            found.append(dossiers.read(uri_of(path.parent, settings), settings))
        except (ScriptoriumError, ValidationError) as error:
            gaps.append(f"a dossier cannot be read: {str(error).splitlines()[0]}")
    return found


def _entries(name: str, settings: Settings, gaps: list[str]) -> list[ledger.Entry]:
    """What was decided; an edited ledger is read too, and said to be one: it may still name the champion."""
    path, entries = ledger.ledger_path(name, settings), list[ledger.Entry]()
    try:
        entries = ledger.read(path)
        ledger.verify(path)
    except ScriptoriumError as error:
        gaps.append(str(error))
    return entries


def _registered(names: list[str], settings: Settings, gaps: list[str]) -> Mapping[str, tuple[str, ...]]:
    """Dossier to models:/NAME/VERSION, of candidates and of what was promoted."""
    from pipelines import registry

    try:
        return registry.sealed(names, settings)
    except ScriptoriumError as error:
        gaps.append(f"the registry was not asked, so candidates stand without their numbers in it: {error}")
        return {}


def _candidate(dossier: Dossier, entries: list[ledger.Entry], registered: Mapping[str, tuple[str, ...]]) -> Candidate:
    mine = [entry for entry in entries if entry.dossier == dossier.sha256]
    promoted = ledger.of_champion(entries)
    decision = next((entry.event for entry in mine if entry.event in ("approved", "rejected")), None)
    # A reaffirmed champion has the same weights as before, from whichever run they came.
    weights = promoted.facts.get("digest") if promoted else None
    return Candidate(
        dossier=dossier.sha256,
        uri=dossier.model.uri,
        weights=dossier.model.digest,
        passed=passed(dossier.gates),
        decision=decision,
        version=next((entry.facts["version"] for entry in mine if entry.event in ledger.PROMOTIONS), None),
        champion=weights == dossier.model.digest,
        registered=registered.get(dossier.sha256, ()),
    )
