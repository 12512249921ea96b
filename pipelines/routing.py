"""Where files that came in belong: the file of the data that their names, or somebody's word, say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from models.tasks import TASKS
from pipelines.errors import Refused, near_miss
from pipelines.recipe import Recipe
from pipelines.safe_names import shown

NAMES = {
    "corpus": ("corpus", "corpora", "unlabeled", "unlabelled", "pretrain"),
    "replay": ("replay",),
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev"),
    "test": ("test",),
}
ROLES = {name: role for role, names in NAMES.items() for name in names}
SAID = 5  # files named in a message


def targets(recipe: Recipe) -> dict[str, str]:
    """The files of the data that a recipe learns from, by role: corpus, replay, train, validation, test.

    The role of an earlier domain is its name, that of an auxiliary task's file is its path: tasks-inference-train.
    """
    data = recipe.data
    splits = {split: f"{data.examples}/{split}.jsonl" for split in ("train", "validation", "test")}
    # Without "/", for what is set aside of a file is kept by its role.
    further = {file.removesuffix(".jsonl").replace("/", "-"): file for file in _auxiliary(recipe)}
    domains = {one.name: one.corpus for one in data.earlier}
    return {"corpus": data.corpus, "replay": data.replay.corpus, **splits, **domains, **further}


def _auxiliary(recipe: Recipe) -> dict[str, str]:
    """The task of each file of an auxiliary task."""
    return {file: one.task for one in recipe.finetune.auxiliary for file in one.files.values()}


def form_of(target: str, recipe: Recipe) -> str:
    """The format of the rows of one of these files."""
    if target in recipe.data.corpora.values():
        return "unlabeled"
    return TASKS[_auxiliary(recipe).get(target, recipe.task)].format


def labels_of(target: str, recipe: Recipe) -> tuple[str, ...] | None:
    """The labels that the rows of one of these files may have; None for any."""
    return None if target in _auxiliary(recipe) else recipe.data.labels


def is_note(name: str) -> bool:
    """Whether a file is about the data: _SUCCESS, _READY, README.md, LICENSE and the like."""
    last = PurePosixPath(name).name
    return last.startswith("_") or bool(re.fullmatch(r"(?i)(readme|licen[cs]e|changelog)(\.(md|txt|rst))?", last))


def route(names: Sequence[str], source: str, recipe: Recipe, into: str = "") -> dict[str, str]:
    """The file of the data that each file belongs to.

    `names` are below `source`, with "/"; `into` (a role, or a file of the data) holds for all of them. Raises Refused
    naming the files whose names say nothing, or say two things.
    """
    files = targets(recipe)
    if into:
        return dict.fromkeys(names, _chosen(into, files))
    otherwise = _roles([PurePosixPath(source.rstrip("/")).name], "")
    found = {name: {name} if name in files.values() else _said(name, otherwise, files) for name in names}
    _refuse({name: places for name, places in found.items() if len(places) != 1})
    return {name: places.pop() for name, places in found.items()}


def _chosen(into: str, files: Mapping[str, str]) -> str:
    if into in files:
        return files[into]
    if into not in files.values():
        raise Refused(f"--into {into[:80]!r}: {near_miss(into, {*files, *files.values()})}")
    return into


def _said(name: str, otherwise: set[str], files: Mapping[str, str]) -> set[str]:
    """What folders and file say; where they say nothing, what the source's own name says."""
    path = PurePosixPath(name)
    return {files[role] for role in _roles(path.parent.parts, path.name) or otherwise}


def _roles(folders: Sequence[str], file: str) -> set[str]:
    """A folder, or an archive, counts when it is called so; of a file's name, each word: reviews-train-001.jsonl.gz."""
    words = {folder.lower().split(".")[0] for folder in folders} | set(re.split(r"[-_. ]+", file.lower()))
    return {ROLES[word] for word in words if word in ROLES}


def _refuse(unplaced: Mapping[str, set[str]]) -> None:
    if not unplaced:
        return
    said = [f"{shown(n)} ({' or '.join(sorted(p)) or 'its name says nothing'})" for n, p in sorted(unplaced.items())]
    more = f"; and {len(said) - SAID:,} more" if len(said) > SAID else ""
    raise Refused(
        f"{len(said):,} files have no clear place in the data: {'; '.join(said[:SAID])}{more}; put them in folders "
        f"named {', '.join(NAMES)}, or say --into for all"
    )
