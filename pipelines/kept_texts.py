"""Texts that a model writes to many prompts: a batch is kept as soon as it is written, and is not written again."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from models import stop
from models.prompt import Prompt
from pipelines.artifact import canonical, read_kept, sha256_file, sha256_text, write_json
from pipelines.locks import lock
from pipelines.loop_progress import progress
from pipelines.settings import Settings
from pipelines.step_key import code_hash
from pipelines.steps import Work

# A model and its tokenizer, asked for only if there is something left to write.
Writer = Callable[[], tuple[Any, Any]]

UNUSED_DAYS = 30  # after which texts kept for trainings to come are removed: they were made of training rows


def written(writer: Writer, prompts: Sequence[Prompt], folder: Path, most: int) -> list[str]:
    """What a model writes to each prompt, as it does when it is judged: greedily, each distinct prompt once.

    Every batch is kept in `folder`, which is for one model and these prompts. `most` are the tokens of a text. Raises
    Stopped at the next token when a stop was requested; the batches before it are kept.
    """
    from models.generate import BATCH

    folder.mkdir(parents=True, exist_ok=True)
    distinct = sorted(set(prompts), key=lambda prompt: (len(prompt.text), prompt))
    batches = {folder / f"{n}.json": distinct[n : n + BATCH] for n in range(0, len(distinct), BATCH)}
    found = {prompt: text for file, batch in batches.items() for prompt, text in _kept(file, batch).items()}
    left = {file: batch for file, batch in batches.items() if batch[0] not in found}
    print(f"{len(distinct):,} texts are to be written; {len(found):,} of them are kept from before", flush=True)
    tell, done, total = progress("texts"), 0, _size(prompt for batch in left.values() for prompt in batch)
    with stop.on_signals():
        for file, batch in left.items():
            found |= _write(writer, batch, file, most, f"{len(found):,} of {len(distinct):,}")
            done += _size(batch)
            tell(done, total)
    return [found[prompt] for prompt in prompts]


def _size(prompts: Iterable[Prompt]) -> int:
    return sum(len(prompt.text) for prompt in prompts)


def _write(writer: Writer, batch: Sequence[Prompt], file: Path, most: int, before: str) -> dict[Prompt, str]:
    from models.generate import generate

    try:
        stop.check("writing texts")
        texts = generate(*writer(), batch, max_new_tokens=most)
    except stop.Stopped:
        raise stop.Stopped(f"{before} texts are kept; the next try goes on with the rest") from None
    write_json(file, texts)
    return dict(zip(batch, texts, strict=True))


def _kept(file: Path, batch: Sequence[Prompt]) -> dict[Prompt, str]:
    """The texts of a batch; none where they are not kept."""
    texts = read_kept(file)
    return dict(zip(batch, texts, strict=True)) if texts else {}


def written_once(work: Work, model: Path, writer: Writer, prompts: Sequence[Prompt], most: int) -> list[str]:
    """The same, kept on this machine for every training that asks the model of a folder for the same texts.

    One process at a time writes them, and others wait for it.
    """
    settings = work.settings
    facts = {
        "model": {p.relative_to(model).as_posix(): sha256_file(p) for p in sorted(model.rglob("*")) if p.is_file()},
        "code": [code_hash(module) for module in ("models.generate", "models.writers")],
        "lock": work.run.lock_sha256,
        "prompts": [(prompt.parts, prompt.said) for prompt in sorted(set(prompts))],
        "most": most,
    }
    key = sha256_text(canonical(facts))[:32]
    with lock(settings.locks / f"written-{key}", "another process is writing these texts"):
        found = written(writer, prompts, kept_in(settings) / key, most)
        (kept_in(settings) / key).touch()
    _remove_unused(kept_in(settings))
    return found


def kept_in(settings: Settings) -> Path:
    """Where texts are kept for trainings to come."""
    return settings.work / "written"


def _remove_unused(folder: Path) -> None:
    oldest = time.time() - UNUSED_DAYS * 24 * 3600
    for kept in folder.iterdir():
        with suppress(FileNotFoundError):  # another process may be removing it too
            if kept.stat().st_mtime < oldest:
                shutil.rmtree(kept, ignore_errors=True)
