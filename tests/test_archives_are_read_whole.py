"""An archive is unpacked whole, and one that was cut, damaged or joined never in part."""

import gzip
import os
import random
import tarfile
from pathlib import Path

import pytest

from pipelines.archives import is_archive, members, unpack
from pipelines.errors import Refused, ScriptoriumError
from tests.archive_files import TARS, entry, everything, make, make_tar, make_zip, reasons

GOOD = {"a.jsonl": b'{"id": "1"}\n' * 50, "deep/er/b.jsonl": b"\xe4\xb8\xad\n", "empty.jsonl": b""}


@pytest.mark.parametrize("name", [*TARS, "x.zip", "X.ZIP"])
def test_a_good_archive_gives_its_files_and_nothing_else(tmp_path, name):
    path = make_zip(tmp_path / name, GOOD) if name.lower() == "x.zip" else make(tmp_path / name, GOOD)
    assert is_archive(path)
    assert members(path) == {file: len(content) for file, content in GOOD.items()}
    found = unpack(path, tmp_path / "out")
    assert {p.relative_to(tmp_path / "out").as_posix(): p.read_bytes() for p in found} == GOOD
    assert everything(tmp_path) == sorted([name, "out", *everything_below("out", found, tmp_path)])


def everything_below(top, files, root):
    names = {path.relative_to(root) for path in files}
    above = {parent for name in names for parent in name.parents if len(parent.parts) > 1}
    return {path.as_posix() for path in names | above if path.parts[0] == top}


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_form_of_tar_is_read_long_names_too(tmp_path, form):
    files = {f"{'d' * 80}/{'n' * 90}.jsonl": b"1\n", "./after.jsonl": b"2\n"}
    path = make_tar(tmp_path / "x.tar", files, form=form, entries=[entry("./", tarfile.DIRTYPE)])
    assert list(members(path)) == [f"{'d' * 80}/{'n' * 90}.jsonl", "after.jsonl"]


def test_hidden_files_of_another_system_are_no_data(tmp_path):
    path = make_zip(tmp_path / "x.zip", {"a.jsonl": b"1\n", "__MACOSX/._a.jsonl": b"junk", ".DS_Store": b"junk"})
    assert [p.name for p in unpack(path, tmp_path / "out")] == ["a.jsonl"]


def test_what_is_cut_is_never_taken_for_whole(tmp_path):
    for name in [*TARS, "x.zip"]:
        path = make(tmp_path / name, {"a": os.urandom(3000), "b": os.urandom(3000)})
        content = path.read_bytes()
        # Of a bare tar, zeros after the first block of the end mark may be missing.
        whole = 2 * (512 + 3072) + 512 if name == "x.tar" else len(content)
        for length in sorted({*range(0, whole, 97), whole - 1}):
            path.write_bytes(content[:length])
            with pytest.raises(Refused):
                unpack(path, tmp_path / "out")
            assert everything(tmp_path) == [name]
        path.unlink()


def test_a_damaged_header_in_the_middle_is_no_end(tmp_path):
    path = make_tar(tmp_path / "x.tar", {"a": b"1", "b": b"2"})
    content = bytearray(path.read_bytes())
    content[1024] ^= 1
    path.write_bytes(content)
    assert "cut or damaged at byte 1,536" in reasons(path)


def test_joined_archives_are_not_half_read(tmp_path):
    path = make_tar(tmp_path / "x.tar", {"a": b"1"})
    path.write_bytes(path.read_bytes() * 2)
    assert "goes on after its end mark" in reasons(path)


def test_a_flipped_bit_in_a_member_is_found(tmp_path):
    for name in ("x.zip", "x.tar.gz"):
        path = make(tmp_path / name, {"a": random.Random(1).randbytes(3000)})
        content = bytearray(path.read_bytes())
        content[1500] ^= 1
        path.write_bytes(content)
        with pytest.raises(Refused, match="damaged"):
            unpack(path, tmp_path / "out")
        assert everything(tmp_path) == [name]
        path.unlink()


@pytest.mark.parametrize("name", ["x.tar", "x.tgz", "x.zip"])
def test_no_damage_breaks_out_of_the_folder_or_shows_a_traceback(tmp_path, name):
    rng = random.Random(name)
    path = make(tmp_path / name, GOOD | {"l" * 120: b"x" * 700})
    content = gzip.decompress(path.read_bytes()) if name == "x.tgz" else path.read_bytes()
    for number in range(100):
        damaged = bytearray(content)
        for _ in range(rng.choice((1, 1, 2, 8))):
            damaged[rng.randrange(len(damaged))] = rng.choice((0, 0x30, 0x37, 0xFF, rng.randrange(256)))
        path.write_bytes(gzip.compress(damaged, 1) if name == "x.tgz" else damaged)
        try:
            unpack(path, tmp_path / "in" / str(number))
        except Refused as refusal:
            assert len(str(refusal).replace(str(tmp_path), "")) < 3000
    assert {*everything(tmp_path)} - {"in", *(f"in/{inner}" for inner in everything(tmp_path / "in"))} == {name}


def test_a_folder_that_is_there_already_is_not_written_into(tmp_path):
    path = make(tmp_path / "x.tar", GOOD)
    (tmp_path / "out").mkdir()
    with pytest.raises(ScriptoriumError, match="is there already"):
        unpack(path, tmp_path / "out")
    assert everything(tmp_path) == ["out", "x.tar"]


def test_a_file_that_is_no_archive_is_refused_with_those_that_are(tmp_path):
    (tmp_path / "x.7z").write_bytes(b"7z")
    (tmp_path / "x.tar").write_bytes(b"no tar")
    assert ".tar.gz, .tgz, .tar.zst, .zip" in reasons(tmp_path / "x.7z")
    assert "is damaged, or not what its name says" in reasons(tmp_path / "x.tar")
    assert "cannot be read: No such file" in reasons(Path("/nowhere/x.tar"))


def test_an_archive_without_files_is_refused(tmp_path):
    assert "holds no files" in reasons(make_tar(tmp_path / "x.tar", {}, entries=[entry("d", tarfile.DIRTYPE)]))
