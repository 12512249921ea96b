"""How a command ends that could not do its work: one message, and the exit code that a scheduler understands."""

from __future__ import annotations

import errno
import os
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from models.stop import Stopped
from pipelines.errors import ScriptoriumError, TryAgain

FULL = (errno.ENOSPC, errno.EDQUOT)
# What shutil, safetensors and SQLite say of a full disk, and where torch fails when it cannot fill a file it opened.
FULL_WORDS = ("No space left on device", "Disk quota exceeded", "database or disk is full", "inline_container.cc")
SHOWN = 80


def ended(error: BaseException, home: Path) -> tuple[str, int]:
    """The message and the exit code for what stopped a command; a traceback is kept in a file, never printed."""
    if _disk_is_full(error):
        place = getattr(error, "filename", None) or home
        return f"error: the disk is full ({place}); free some space, or move SCRIPTORIUM_HOME", TryAgain.exit_code
    match error:
        case ScriptoriumError():
            return f"{error.word}: {error}", error.exit_code
        case Stopped():
            return f"stopped: {error}", TryAgain.exit_code
        case KeyboardInterrupt():
            return "stopped", 130
    return _unforeseen(error, home)


def _unforeseen(error: BaseException, home: Path) -> tuple[str, int]:
    """A file that cannot be used, MLflow in trouble, or a bug of ours."""
    if isinstance(error, OSError) and isinstance(error.filename, str):
        return f"error: {error.filename}: {error.strerror}{_cure(error.filename, home)}", ScriptoriumError.exit_code
    if type(error).__module__.startswith("mlflow.") and getattr(error, "error_code", "") == "INTERNAL_ERROR":
        log = home / "logs" / "mlflow.log"
        return f"stopped: MLflow failed to answer ({_short(error)}); see {log}, then try again", TryAgain.exit_code
    kept = _kept(error, home)
    return f"error: this is a bug: {_short(error)}; the traceback is in {kept}", ScriptoriumError.exit_code


def _disk_is_full(error: BaseException) -> bool:
    return any(
        getattr(one, "errno", None) in FULL or any(word in str(one) for word in FULL_WORDS)
        for one in _chain(error)
        if not isinstance(one, ScriptoriumError)  # which may quote a log
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it was raised from or during."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _cure(path: str, home: Path) -> str:
    return "; set SCRIPTORIUM_HOME to a folder that can be written" if Path(path).is_relative_to(home) else ""


def _short(error: BaseException) -> str:
    text = " ".join(f"{type(error).__name__}: {error}".split())
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def _kept(error: BaseException, home: Path) -> Path:
    """The file with the traceback, in HOME/logs or, where that cannot be written, in the system's temporary folder."""
    name = f"bug-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}.txt"
    text = "".join(traceback.format_exception(error))
    with suppress(OSError):
        (home / "logs").mkdir(parents=True, exist_ok=True)
        (home / "logs" / name).write_text(text, encoding="utf-8")
        return home / "logs" / name
    path = Path(tempfile.gettempdir()) / name
    path.write_text(text, encoding="utf-8")
    return path
