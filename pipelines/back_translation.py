"""Copies of rows whose texts went into another language and back (Sennrich et al. 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from models.tasks import TASKS
from models.tasks.task import Row, Task
from pipelines.augment_recipe import BackTranslation
from pipelines.errors import Refused
from pipelines.kept_texts import written_once
from pipelines.steps import Work
from pipelines.translators import folder_of, key_of


def back_translated(work: Work, chain: BackTranslation, task: Task, rows: Sequence[Row]) -> list[dict[str, Any] | None]:
    """A copy of each row with the likeliest translation of the likeliest translation; None where one is empty."""
    spoken = [str(row.get("lang") or work.run.recipe.language[0]) for row in rows for _ in task.texts]
    texts = [str(row[column]) for row in rows for column in task.texts]
    between = [chain.language] * len(texts)
    away = _translated(work, chain, "there", texts, spoken, between)
    home = iter(_translated(work, chain, "back", away, between, spoken))
    found: list[dict[str, Any] | None] = []
    for row in rows:
        changed = {column: next(home) for column in task.texts}
        own = {"id": f"{row['id']}~back1", "group": task.group(row)}
        found.append({**row, **changed, **own} if all(changed.values()) else None)
    return found


def _translated(  # noqa: PLR0913, PLR0917
    work: Work, chain: BackTranslation, way: str, texts: Sequence[str], sources: Sequence[str], targets: Sequence[str]
) -> list[str]:
    """The texts as one of the translators puts them, which is asked as the task `translation` asks."""
    from models.writers import load_writer

    asked = [
        TASKS["translation"].asked({"source": text, "source_lang": source, "target_lang": target})
        for text, source, target in zip(texts, sources, targets, strict=True)
    ]
    folder = folder_of(getattr(chain, way), way, work.settings)

    @cache
    def loaded() -> tuple[Any, Any]:
        try:
            return load_writer(folder)
        except ValueError as error:
            raise Refused(f"{key_of(way)}: {error}") from None

    print(f"translating {len(texts):,} texts ({way})", flush=True)
    return written_once(work, folder, loaded, asked, work.run.recipe.finetune.max_length)
