"""The objects of the DVC remote, one by one: put, proved by reading them back, and got. The same for a folder and S3.

DVC takes it on trust that an object which is there is whole; here nothing is trusted that was not hashed.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.dvc_remote import configuration, remote_url
from pipelines.errors import ScriptoriumError, TryAgain
from pipelines.settings import Settings

CHUNK = 1 << 20
CURE = "`scriptorium data verify --remote --heal` says more"


@dataclass(frozen=True)
class Objects:
    """An open DVC remote; an object is a file by its md5, or a folder's list of files by an md5 ending in .dir."""

    odb: Any
    url: str

    def path(self, md5: str) -> str:
        return str(self.odb.oid_to_path(md5))

    def size(self, md5: str) -> int | None:
        """Bytes of an object; None when the remote has it not."""
        with self._reached():
            self.odb.fs.fs.invalidate_cache()
            try:
                return int(self.odb.fs.info(self.path(md5))["size"])
            except FileNotFoundError:
                return None

    def chunks(self, md5: str) -> Iterator[bytes]:
        """The bytes of an object as the remote has them now, unproved. Raises FileNotFoundError."""
        with self._reached(), self.odb.fs.open(self.path(md5), "rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    def found_md5(self, md5: str, tell: Callable[[int], None] = lambda _: None) -> str | None:
        """The md5 of the bytes that stand under `md5`; None when there are none. `tell` hears of each chunk's bytes."""
        found = hashlib.md5(usedforsecurity=False)
        try:
            for chunk in self.chunks(md5):
                found.update(chunk)
                tell(len(chunk))
        except FileNotFoundError:
            return None
        return found.hexdigest() + (".dir" if md5.endswith(".dir") else "")

    def put(self, source: Path, md5: str) -> None:
        """Store a file at once in the place of what stood there, flushed to the disk where the remote is one."""
        with self._reached():
            self.odb.fs.put_file(str(source), self.path(md5))
            if self.odb.fs.protocol == "local":
                _flush(Path(self.path(md5)))

    def get(self, md5: str, out: Path) -> None:
        """Write an object to `out` at once. Raises ScriptoriumError when it is missing or its bytes are not its md5."""
        out.parent.mkdir(parents=True, exist_ok=True)
        part = out.with_name(out.name + ".part")
        with part.open("wb") as file:
            for chunk in self.proved(md5):
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        part.replace(out)

    def proved(self, md5: str) -> Iterator[bytes]:
        """The bytes of an object. Raises ScriptoriumError, after the last of them, when they have not its md5."""
        found = hashlib.md5(usedforsecurity=False)
        try:
            for chunk in self.chunks(md5):
                found.update(chunk)
                yield chunk
        except FileNotFoundError:
            raise ScriptoriumError(f"the DVC remote lacks {self.path(md5)}; {CURE}") from None
        if found.hexdigest() != md5.removesuffix(".dir"):
            raise ScriptoriumError(f"{self.path(md5)} in the DVC remote is damaged; {CURE}")

    def listing(self, md5: str) -> dict[str, str]:
        """The files of a stored version with their md5. Raises ScriptoriumError when the list is missing or damaged."""
        entries = json.loads(b"".join(self.proved(md5)))
        return {entry["relpath"]: entry["md5"] for entry in entries}

    @contextmanager
    def _reached(self) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except FileNotFoundError:
            raise
        except (OSError, BotoCoreError, ClientError) as error:
            if getattr(error, "errno", None) == errno.ENOSPC:
                raise
            raise TryAgain(f"the DVC remote {self.url} does not answer: {error}") from error


def open_objects(settings: Settings) -> Objects:
    """Open the remote that `.dvc/config` names. Raises ScriptoriumError when the configuration names none."""
    from dvc.data_cloud import Remote
    from dvc.exceptions import DvcException
    from dvc.fs import get_cloud_fs

    values = configuration(settings)
    name = values["core"]["remote"]
    try:
        kind, options, path = get_cloud_fs(values, name=name)
        return Objects(Remote(name, path, kind(**options), **options).odb, remote_url(settings))
    except DvcException as error:
        raise ScriptoriumError(f"DVC remote {name!r}: {error}; correct .dvc/config") from error


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
