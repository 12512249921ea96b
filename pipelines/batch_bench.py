"""The work on a batch: what was found of it, and the folder of what is half-done, for the next try to go on from."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pipelines.artifact import read_json, sha256_text
from pipelines.batch import Batch
from pipelines.data_version import folder_md5
from pipelines.dvc_objects import open_objects
from pipelines.facts import View
from pipelines.findings import Result
from pipelines.formats import FORMATS
from pipelines.outputs import ACCEPTED, QUARANTINED
from pipelines.recipe import Recipe
from pipelines.routing import form_of, targets
from pipelines.settings import Settings
from pipelines.version_files import in_data
from pipelines.version_history import current

Say = Callable[[str], None]


class Checked(BaseModel):
    """What checking found, and of which version of the data; `targets` are rows that came, by file of the data."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    batch: Batch
    judged_by: str
    base: str
    events: int  # how many the history had
    result: Result
    targets: dict[str, int]
    names: dict[str, str]  # path of a file that was read to the URI it came by


@dataclass(frozen=True)
class Bench:
    """A source whose files are made a batch of: the recipe it is for, and the folder of what is half-done."""

    source: str
    recipe: Recipe
    settings: Settings
    say: Say

    @property
    def folder(self) -> Path:
        """One for a source and a recipe, so that nothing stays of a try whose batch never comes again."""
        return self.settings.work / "ingest" / f"{self.recipe.name}-{sha256_text(self.source)[:16]}"

    def outputs(self, target: str) -> Path:
        """The folder of what checking wrote of the rows for a file of the data."""
        return self.folder / "checked" / target.replace("/", "-")

    def rows(self, target: str) -> Path:
        """The rows that may be added to a file of the data."""
        return self.outputs(target) / ACCEPTED

    def picture(self, target: str) -> Path:
        """What is shown of the rows for a file of the data."""
        return self.outputs(target) / "picture.json"

    def before(self, target: str) -> Path:
        """What the rows of a file of the data were before the batch."""
        return self.outputs(target) / "before.json"

    def view(self, target: str) -> View:
        """How the rows of a file of the data are looked at."""
        form = FORMATS[form_of(target, self.recipe)]
        return View(form, self.recipe.validation, None, datetime.now(UTC))

    def has_aside(self, target: str) -> bool:
        """Whether rows for a file of the data are set aside."""
        return (self.outputs(target) / QUARANTINED).stat().st_size > 0

    def aside_by_uri(self, target: str, names: Mapping[str, str]) -> Path:
        """A folder with those rows, whose files are called what they are called at the source."""
        folder = self.folder / "aside" / target.replace("/", "-")
        folder.mkdir(parents=True, exist_ok=True)
        # Only a line feed ends a line: a row may hold other separators.
        with (
            (self.outputs(target) / QUARANTINED).open(encoding="utf-8", newline="\n") as rows,
            (folder / QUARANTINED).open("w", encoding="utf-8", newline="\n") as out,
        ):
            for row in map(json.loads, rows):
                out.write(json.dumps(row | {"file": names.get(row["file"], row["file"])}, ensure_ascii=False) + "\n")
        return folder

    @cached_property
    def present(self) -> Mapping[str, Path]:
        """The files of the recipe as the current version has them."""
        return present(self.recipe, self.folder / "present", self.settings)

    def clear(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


def begun(bench: Bench) -> Checked | None:
    """What was found of the batch that was checked last, if that was killed before it was settled."""
    path = bench.folder / "checked.json"
    return Checked.model_validate(read_json(path), strict=False) if path.exists() else None


def present(recipe: Recipe, folder: Path, settings: Settings) -> dict[str, Path]:
    """The files of a recipe that the current version has, from the data folder where it holds them, else fetched."""
    now = current(settings)
    files = now.files if folder_md5(now.files) == now.md5 else open_objects(settings).listing(now.md5)
    found = {}
    for name in dict.fromkeys(targets(recipe).values()):
        if name not in files:
            continue
        path = in_data(name, files[name], settings)
        if path is None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            open_objects(settings).get(files[name], path)
        found[name] = path
    return found
