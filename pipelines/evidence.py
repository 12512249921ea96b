"""Dossiers as people ask for them: found by their seal or their recipe, and proved piece by piece."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import ValidationError

from pipelines import dossier as dossiers
from pipelines import ledger
from pipelines.artifact import canonical, read_json, sha256_text
from pipelines.champion import history, require_known
from pipelines.dossier import Dossier, check_belonging, whole
from pipelines.errors import Refused, ScriptoriumError
from pipelines.gates import judge
from pipelines.mirror import here
from pipelines.recipe import Recipe
from pipelines.settings import Settings
from pipelines.shared import bring_all


@dataclass(frozen=True)
class Check:
    """One thing that a dossier says, and whether it is so: `problem` is empty when it is."""

    what: str
    problem: str


def find(asked: str, settings: Settings) -> Dossier:
    """The dossier of a seal, of the first eight or more digits of one, or of a recipe's champion.

    Raises Refused, naming what there is, when there is none or more than one.
    """
    if len(asked) >= 8 and set(asked) <= set("0123456789abcdef"):
        return dossiers.read(dossiers.dossier_uri(_seal(asked, settings), settings), settings)
    require_known(asked, settings)
    entry = ledger.of_champion(history(asked, settings))
    if entry is None:
        raise Refused(f"{asked} has no champion yet; name a dossier by its seal, which `check_gates` prints")
    return dossiers.read(dossiers.dossier_uri(entry.dossier, settings), settings)


def checks(dossier: Dossier) -> Iterator[Check]:
    """Everything that a dossier says and that can be proved today, each as it is proved: every byte is hashed anew."""
    yield Check("seal", "")  # it was read, which proves it
    yield _proved("frozen run", lambda: check_belonging(dossier, dossier.run_uri))
    yield _proved(
        "recipe", lambda: _same("the recipe's sha256", sha256_text(canonical(dossier.recipe)), dossier.recipe_sha256)
    )
    for name, source in sorted(dossier.artifacts.items()):
        yield _proved(name, partial(_same_digest, source.uri, source.digest))
    yield _proved("model", partial(_same_files, dossier))
    yield _proved("gates", partial(_same_verdicts, dossier))


def _seal(start: str, settings: Settings) -> str:
    bring_all(dossiers.folder(settings), settings, named=[dossiers.DOSSIER])
    found = sorted(path.parent.name for path in dossiers.folder(settings).glob(f"{start}*/{dossiers.DOSSIER}"))
    if len(found) != 1:
        told = f"{len(found)} dossiers begin so: {', '.join(seal[:16] for seal in found)}" if found else "there is none"
        raise Refused(f"dossier {start}: {told}")
    return found[0]


def _proved(what: str, prove: Callable[[], Any]) -> Check:
    try:
        prove()
    except (ScriptoriumError, OSError, ValidationError) as error:
        return Check(what, str(error))
    return Check(what, "")


def _same(what: str, found: str, told: str) -> None:
    if found != told:
        raise Refused(f"{what} is {found}, the dossier says {told}")


def _same_digest(uri: str, digest: str) -> None:
    _same(f"the digest of {uri}", whole(uri).digest, digest)


def _same_files(dossier: Dossier) -> None:
    """Sizes and sha256 of the model's files, as the dossier itself lists them."""
    if (found := whole(dossier.model.uri).files) != dossier.model.files:
        wrong = sorted(
            n for n in found.keys() | dossier.model.files.keys() if found.get(n) != dossier.model.files.get(n)
        )
        raise Refused(f"{dossier.model.uri}: {', '.join(wrong)} not as the dossier lists it")


def _same_verdicts(dossier: Dossier) -> None:
    """The gates of the sealed recipe, judged again over the sealed report."""
    gates = Recipe.model_validate(dossier.recipe).gates
    report = read_json(here(dossier.artifacts["report"].uri) / "report.json")
    if tuple(judge(gates, report)) != dossier.gates:
        raise Refused("the gates of its recipe, over its report, do not give the verdicts that it holds")
