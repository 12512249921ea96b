"""Summaries of files of the data, kept by what the files are, so that a file is read for its summary only once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pipelines.artifact import canonical, sha256_text, write_json
from pipelines.containers import Unreadable
from pipelines.data_summary import Summary
from pipelines.errors import Refused
from pipelines.facts import View, facts
from pipelines.reading import read_blocks
from pipelines.reading_progress import ReadingProgress
from pipelines.settings import Settings
from pipelines.sketch import Sketch
from pipelines.step_key import code_hash

Say = Callable[[str], None]


def summary_of(files: Sequence[Path], view: View, say: Say) -> Summary:
    """The summary of files, without judging them; what is no row of the format is left out.

    Raises Refused for a file that cannot be read.
    """
    sketch, progress = Sketch(view), ReadingProgress(files, say)
    for path in files:
        try:
            for block in read_blocks(path, view.form, view.limits, keep=True):
                sketch.add(str(path), block, facts(block.frame, view))
                progress.show(f"comparing with {path}", block.read, path.stat().st_size, sketch.rows)
        except Unreadable as fault:
            raise Refused(f"{path} cannot be compared with: {fault.message}; {fault.cure}") from None
        progress.finish(path.stat().st_size)
    return sketch.summary()


def known_summary(md5: str, path: Callable[[], Path], view: View, settings: Settings, say: Say) -> Summary:
    """The summary of the file of that md5; `path` gets the file where it is not known yet."""
    kept = _kept(md5, view, settings)
    if kept.exists():
        return Summary.model_validate_json(kept.read_bytes())
    found = summary_of([path()], view, say)
    keep_summary(md5, found, view, settings)
    return found


def keep_summary(md5: str, summary: Summary, view: View, settings: Settings) -> None:
    """Keep a summary for the next to be compared with the file of that md5."""
    kept = _kept(md5, view, settings)
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_json(kept, summary.model_dump(mode="json"))


def _kept(md5: str, view: View, settings: Settings) -> Path:
    """A summary depends on the file, on how rows are looked at, and on this code."""
    seen = [md5, view.form.__name__, view.limits.model_dump(mode="json"), view.lang, code_hash("pipelines.summaries")]
    return settings.home / "summaries" / f"{sha256_text(canonical(seen))[:32]}.json"
