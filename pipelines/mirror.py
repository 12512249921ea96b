"""Artifacts of a root in S3: found there and brought to this machine, and put there when they were made here.

Each file is proved on its way. The manifest is put last: without one, an artifact is not there. Nothing here does
anything where the artifact root is a folder.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

from pydantic import ValidationError

from pipelines import s3, storage
from pipelines.artifact import MANIFEST, Manifest, NotWhole, canonical, is_whole, publish, read_manifest, sha256_text
from pipelines.artifact import verify as verify_folder
from pipelines.artifact_root import is_in_store, path_of, uri_of
from pipelines.bytes_progress import BytesProgress
from pipelines.digests import digests_of
from pipelines.errors import TryAgain
from pipelines.fetching import Work, arrived, fetch_all
from pipelines.locks import lock
from pipelines.s3_errors import Damaged
from pipelines.safe_names import objection, shown
from pipelines.settings import Settings, read_settings
from pipelines.storage import Stored

CURE = "run the step that makes it again"


def here(uri: str) -> Path:
    """The folder of an artifact on this machine, brought from the store unless it is here already.

    Raises NotWhole when the store has none, or an object of it is missing or is not what its manifest names.
    """
    settings = read_settings()
    folder = path_of(uri, settings)
    if is_in_store(folder, settings) and not (folder / MANIFEST).is_file():
        _fetch(folder, settings)
    return folder


def manifest_of(uri: str) -> Manifest:
    """The manifest of a whole artifact; its files stay where they are. Raises NotWhole."""
    settings = read_settings()
    folder = path_of(uri, settings)
    if (folder / MANIFEST).is_file() or not is_in_store(folder, settings):
        return read_manifest(folder)
    return _required(uri_of(folder, settings))


def file_of(uri: str, name: str) -> bytes | None:
    """One small file of an artifact, proved; the others stay where they are. None where its manifest names no such.

    Raises NotWhole when it is missing, or is not what the manifest names.
    """
    settings, entry = read_settings(), manifest_of(uri).files.get(name)
    if entry is None:
        return None
    path = path_of(uri, settings) / name
    if path.is_file() or not is_in_store(path, settings):
        content = path.read_bytes() if path.is_file() else b""
    else:
        content = (s3.small(*s3.address(f"{uri}/{name}")) or (b"", ""))[0]
    if sha256(content).hexdigest() != entry.sha256:
        raise NotWhole(f"{uri}/{name} is not the file its manifest names; {CURE}")
    return content


def is_there(folder: Path, settings: Settings) -> bool:
    """Whether a whole artifact lies at `folder`, or in the store, by the sizes of its objects: nothing is brought."""
    if is_whole(folder) or not is_in_store(folder, settings):
        return is_whole(folder)
    uri = uri_of(folder, settings)
    try:
        wanted = _required(uri).files
    except NotWhole:
        return False
    there = _listed(uri)
    return all(name in there and there[name].size == entry.size for name, entry in wanted.items())


def settled(folder: Path, settings: Settings) -> bool:
    """Whether there is a whole artifact: then it is here, every byte proved, and the store holds it too.

    What this machine made and the store holds damaged, or not at all, is put there again. Where both hold a whole one
    and they differ, the store's counts, for others have seen it.
    """
    if not is_in_store(folder, settings):
        return is_whole(folder)
    try:
        theirs = _in_store(uri_of(folder, settings))
        if theirs and not (is_whole(folder) and read_manifest(folder) == theirs):
            _fetch(folder, settings)
    except NotWhole as error:
        _say(f"{error}; what the store holds is not used")
    if not is_whole(folder):
        return False
    send(folder, settings)
    return True


def send(folder: Path, settings: Settings) -> str:
    """Put a whole artifact into the store, its manifest last, and return its URI; what lies there is not sent again.

    Raises TryAgain when another machine puts one there at the same time.
    """
    uri = uri_of(folder, settings)
    if not is_in_store(folder, settings):
        return uri
    there, names = _listed(uri), [*read_manifest(folder).files, MANIFEST]
    wanted = [name for name in names if name not in there or not holds(there[name], folder / name)]
    if not wanted:
        return uri
    if MANIFEST in there:
        print(f"{uri}/{wanted[0]} in the store is not what was made; it is put there again", flush=True)
        # What is half-replaced must not count.
        storage.delete(there[MANIFEST])
    put = _put(uri, folder, [*(name for name in wanted if name != MANIFEST), MANIFEST])
    now = _listed(uri)
    if changed := sorted(name for name, stored in put.items() if name not in now or now[name].etag != stored.etag):
        raise TryAgain(f"{uri}/{changed[0]}: another machine puts the same artifact there at this moment; try again")
    return uri


def manifests(step: Path, settings: Settings) -> dict[str, Manifest]:
    """The manifests of all artifacts in a folder of the root, by URI; those that cannot be read are left out."""
    uris = {uri_of(path.parent, settings) for path in step.glob(f"*/{MANIFEST}")}
    if is_in_store(step, settings):
        names = (name.split("/") for name in _listed(uri_of(step, settings)))
        uris |= {f"{uri_of(step, settings)}/{name[0]}" for name in names if name[1:] == [MANIFEST]}
    with ThreadPoolExecutor(s3.CONNECTIONS) as pool:
        found = zip(sorted(uris), pool.map(_manifest_or_none, sorted(uris)), strict=True)
        return {uri: manifest for uri, manifest in found if manifest}


def _manifest_or_none(uri: str) -> Manifest | None:
    try:
        return manifest_of(uri)
    except NotWhole:
        return None


def holds(stored: Stored, path: Path) -> bool:
    """Whether an object is a file of this machine, by what the store says of it."""
    if not path.is_file() or path.stat().st_size != stored.size:
        return False
    try:
        s3.prove(*s3.address(stored.uri), stored.etag, digests_of(path, s3.PART))
    except Damaged:
        return False
    return True


def _put(uri: str, folder: Path, names: list[str]) -> dict[str, Stored]:
    """Put files of an artifact, the last of which is its manifest, into the store."""
    size = sum((folder / name).stat().st_size for name in names)
    print(f"putting {len(names):,} files ({size / 1e6:,.1f} MB) to {uri}", flush=True)
    progress = BytesProgress("putting them there", size)

    def put(name: str) -> Stored:
        return storage.put(folder / name, f"{uri}/{name}", progress.add)

    *files, manifest = names
    with ThreadPoolExecutor(s3.CONNECTIONS) as pool:
        there = dict(zip(files, pool.map(put, files), strict=True))
    return {**there, manifest: put(manifest)}


def _say(text: str) -> None:
    """On standard error, for reading may be a part of a command whose answer is one JSON document."""
    print(text, file=sys.stderr, flush=True)


def _listed(uri: str) -> dict[str, Stored]:
    """What lies below a URI in the store, by name."""
    return {stored.name: stored for stored in storage.files_at(uri) if stored.uri == f"{uri}/{stored.name}"}


def _in_store(uri: str) -> Manifest | None:
    found = s3.small(*s3.address(f"{uri}/{MANIFEST}"))
    if found is None:
        return None
    try:
        return Manifest.model_validate_json(found[0])
    except ValidationError:
        raise NotWhole(f"{uri}/{MANIFEST} is no manifest; {CURE}") from None


def _required(uri: str) -> Manifest:
    found = _in_store(uri)
    if found is None:
        raise NotWhole(f"{uri} is not a whole artifact: it lacks {MANIFEST}; {CURE}")
    return found


def _fetch(folder: Path, settings: Settings) -> None:
    """Bring an artifact, going on where a killed try ended, and put it in place when every byte has proved right."""
    uri = uri_of(folder, settings)
    wanted = _required(uri)
    with lock(settings.locks / f"fetch-{sha256_text(uri)[:32]}", f"another process is fetching {uri}"):
        if is_whole(folder) and read_manifest(folder) == wanted:
            return
        # Its name stands for this content alone: what arrived of another is no part of it.
        work = Work(settings.work / "fetch" / sha256_text(uri + canonical(wanted.model_dump()))[:32])
        _bring(uri, wanted, work)
        try:
            verify_folder(work.files, uri)
            publish(work.files, folder)
        finally:
            shutil.rmtree(work.folder)


def _bring(uri: str, wanted: Manifest, work: Work) -> None:
    there, known = _fetchable(uri, wanted), arrived(work)
    missing = [s for s in there.values() if not (s.uri in known and known[s.uri].file.is_still(s))]
    _say(f"fetching {len(missing):,} files ({sum(map(work.missing, missing)) / 1e6:,.1f} MB) of {uri}")
    for name, why in fetch_all(missing, {}, work, _say).items():
        raise TryAgain(f"{uri}/{name}: {why}; try again")


def _fetchable(uri: str, wanted: Manifest) -> Mapping[str, Stored]:
    """The objects of an artifact, each of which may have a place here. Raises NotWhole naming one that may not."""
    there, names = _listed(uri), [*wanted.files, MANIFEST]
    for name in names:
        if why := objection(name):
            raise NotWhole(f"{uri}: its manifest names {shown(name)}, but {why}; {CURE}")
        if name not in there:
            raise NotWhole(f"{uri}/{name} is missing, which its manifest names; {CURE}")
    return {name: there[name] for name in names}
