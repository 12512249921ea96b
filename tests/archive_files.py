"""Archives of every kind, built in a test."""

import io
import tarfile
import zipfile

import pytest

from pipelines.archives import members
from pipelines.errors import Refused

TARS = {"x.tar": "w:", "x.tar.gz": "w:gz", "x.tgz": "w:gz", "x.tar.zst": "w:"}


def make_tar(path, files, *, form=tarfile.PAX_FORMAT, mode=None, entries=()):
    with tarfile.open(path, mode or TARS[path.name], format=form) as tar:
        for name, content in files.items():
            tar.addfile(entry(name, size=len(content)), io.BytesIO(content))
        for extra in entries:
            tar.addfile(extra)
    if path.name.endswith(".zst"):
        import pyarrow as pa

        content = path.read_bytes()
        with pa.output_stream(str(path), compression="zstd") as out:
            out.write(content)
    return path


def entry(name, kind=tarfile.REGTYPE, *, size=0, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, size, link
    return info


def make_zip(path, files, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def make(path, files):
    return make_zip(path, files) if path.suffix == ".zip" else make_tar(path, files)


def everything(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def reasons(path):
    with pytest.raises(Refused) as refusal:
        members(path)
    return str(refusal.value)
