"""An archive made to fill a disk, a memory or a day is stopped before it does."""

import os
import resource
import subprocess
import sys
import tarfile
import zipfile

import pytest

from pipelines import archive_readers
from pipelines.archives import Bounds, unpack
from pipelines.errors import Refused
from tests.archive_files import entry, everything, make, make_zip, reasons


def test_sparse_files_are_refused_though_they_weigh_nothing(tmp_path):
    (tmp_path / "big").touch()
    os.truncate(tmp_path / "big", 1 << 40)
    command = ["tar", "-C", str(tmp_path), "-S", "-cf", str(tmp_path / "x.tar")]
    for form in ("gnu", "posix"):
        subprocess.run([*command, f"--format={form}", "big"], check=True)
        assert "'big': it is a sparse file" in reasons(tmp_path / "x.tar")


BOMBS = """
import gzip, io, sys, tarfile, zipfile
from pathlib import Path
kind, path = sys.argv[1], Path(sys.argv[2])
zeros, many = bytes(1 << 20), 300
if kind == "x.zip":
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z, z.open("a", "w") as f:
        for _ in range(many): f.write(zeros)
else:
    with gzip.open(path, "wb", compresslevel=1) as f:
        info = tarfile.TarInfo("a" if kind == "content" else "path")
        info.size = many << 20
        if kind == "pax": info.type = tarfile.XHDTYPE
        if kind == "longname": info.type = tarfile.GNUTYPE_LONGNAME
        f.write(info.tobuf(tarfile.GNU_FORMAT))
        for _ in range(many): f.write(zeros)
        f.write(bytes(1024))
"""


@pytest.mark.parametrize("kind", ["content", "pax", "longname", "x.zip"])
def test_a_bomb_is_stopped_before_it_fills_disk_or_memory(tmp_path, kind):
    path = tmp_path / ("x.zip" if kind == "x.zip" else "x.tar.gz")
    subprocess.run([sys.executable, "-c", BOMBS, kind, str(path)], check=True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(Refused, match=r"100 times its packed size|description of a member takes more than"):
        unpack(path, tmp_path / "out")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB; the bombs are of 300 MB
    assert everything(tmp_path) == [path.name]


def test_the_size_and_number_of_members_are_bounded(tmp_path):
    for name in ("x.tar", "x.zip"):
        path = make(tmp_path / name, {"a": os.urandom(2000), "b": b""})
        with pytest.raises(Refused, match="expands to more than 1,999 bytes"):
            unpack(path, tmp_path / "out", Bounds(size=1_999))
        with pytest.raises(Refused, match="more than 1 members"):
            unpack(path, tmp_path / "out", Bounds(members=1))
        assert not (tmp_path / "out").exists()


def test_members_of_a_zip_that_share_their_bytes_are_refused(tmp_path):
    path = make_zip(tmp_path / "x.zip", {"a": os.urandom(5000)}, zipfile.ZIP_STORED)
    content = path.read_bytes()
    start, end = content.index(b"PK\x01\x02"), content.index(b"PK\x05\x06")
    directory, tail = content[start:end], bytearray(content[end:])
    tail[8:12] = (3).to_bytes(2, "little") * 2
    tail[12:16] = (3 * len(directory)).to_bytes(4, "little")
    path.write_bytes(content[:start] + directory * 3 + tail)
    assert "share their bytes" in reasons(path)


def test_a_zip_whose_directory_would_fill_the_memory_is_refused(tmp_path, monkeypatch):
    path = make_zip(tmp_path / "x.zip", {f"{number:0200}": b"" for number in range(500)})
    monkeypatch.setattr(archive_readers, "DIRECTORY", 70_000)
    assert "its directory takes more than 70,000 bytes" in reasons(path)


def test_a_number_on_which_tarfile_would_spend_hours_is_refused_at_once(tmp_path):
    description = entry("x", tarfile.XHDTYPE, size=100_000).tobuf(tarfile.USTAR_FORMAT) + b"1" * 100_352
    (tmp_path / "x.tar").write_bytes(description + entry("a").tobuf() + bytes(1024))
    assert "more than 100 digits" in reasons(tmp_path / "x.tar")
