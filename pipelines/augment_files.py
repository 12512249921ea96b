"""The files below data/ that `finetune.augment` names: words that mean the same, and the values of slots."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from pipelines.augment_recipe import Augment
from pipelines.errors import Refused
from pipelines.section import Section


class Slot(Section):
    """What may stand for each other wherever a row names it."""

    slot: str = Field(min_length=1)
    values: tuple[Annotated[str, Field(pattern=r"^\S(.*\S)?$")], ...] = Field(min_length=2, strict=False)


def require_files(dataset: Path, augment: Augment | None) -> None:
    """Raise Refused, naming file and line, unless every file that the section names can be used."""
    if augment and augment.synonyms:
        synonym_sets(dataset, augment.synonyms)
    if augment and augment.slots:
        slots_of(dataset, augment.slots)


def synonym_sets(dataset: Path, name: str) -> list[list[str]]:
    """The sets of a synonym table. Raises Refused naming file and line of one that is no set of two words or more."""
    found = []
    for number, line in _lines(dataset, name, "synonyms"):
        words = [word.strip() for word in line.split("\t") if word.strip()]
        if len({word.lower() for word in words}) == 1:
            raise Refused(
                f"{dataset / name}, line {number}: {words[0][:40]!r} stands alone; give two words or more, with tabs"
            )
        found += [words] if words else []
    return found


def slots_of(dataset: Path, name: str) -> dict[str, tuple[str, ...]]:
    """The values of each slot. Raises Refused naming file and line of what is no slot, or stands there twice."""
    found: dict[str, tuple[str, ...]] = {}
    owners: dict[str, str] = {}
    for number, line in _lines(dataset, name, "slots"):
        place = f"{dataset / name}, line {number}"
        try:
            slot = Slot.model_validate_json(line)
        except ValidationError as error:
            what = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'the line'}: {e['msg']}" for e in error.errors()[:3])
            example = '{"slot": "product", "values": ["Alpha 1", "Beta 2"]}'
            raise Refused(f"{place} is no slot ({what}); write {example}") from None
        if slot.slot in found:
            raise Refused(f"{place}: the slot {slot.slot[:40]!r} stands there twice; put its values into one line")
        for value in slot.values:
            if value in owners:
                raise Refused(f"{place}: {value[:40]!r} is a value of {owners[value][:40]!r} already; leave one out")
            owners[value] = slot.slot
        found[slot.slot] = slot.values
    return found


def _lines(dataset: Path, name: str, key: str) -> Iterator[tuple[int, str]]:
    """Number and text of each line that is not empty. Raises Refused for a file that is missing or not UTF-8."""
    path = dataset / name
    if not path.is_file():
        raise Refused(f"finetune.augment.{key}: data/ has no {name}; put it there, and `scriptorium data commit`")
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise Refused(f"{path} is not UTF-8 at byte {error.start}; save it as UTF-8") from None
    return ((number, line) for number, line in enumerate(lines, 1) if line.strip())
