"""An archive is unpacked whole and harmless, or refused with all reasons and nothing written."""

import gzip
import io
import os
import random
import resource
import stat
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from pipelines import archive_readers
from pipelines.archives import Bounds, is_archive, members, unpack
from pipelines.errors import Refused, ScriptoriumError
from pipelines.settings import ROOT

BROKEN = ROOT.parent / "shared" / "data" / "broken"
GOOD = {"a.jsonl": b'{"id": "1"}\n' * 50, "deep/er/b.jsonl": b"\xe4\xb8\xad\n", "empty.jsonl": b""}
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


NAMES = {
    "../up": "leads out of its folder",
    "ok/../../up": "leads out of its folder",
    "/tmp/absolute": "is absolute",
    "C:/windows": "drive letter",
    "c:evil": "drive letter",
    "a\\..\\b": "backslash",
    "a\nb": "control character",
    "a//b": "an empty part",
    "a/./b": "an empty part",
    "x" * 300: "longer than 255 bytes",
    "inner.tar.gz": "an archive in an archive",
    "inner.ZIP": "an archive in an archive",
}


@pytest.mark.parametrize("kind", ["x.tar", "x.zip"])
@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_could_do_harm_refuses_the_whole_archive(tmp_path, kind, name):
    path = make(tmp_path / kind, {"good.jsonl": b"1\n", name: b"harm\n"})
    with pytest.raises(Refused, match=NAMES[name]):
        unpack(path, tmp_path / "in" / "out")
    assert everything(tmp_path) == [kind]


@pytest.mark.parametrize("kind", ["x.tar", "x.zip"])
@pytest.mark.parametrize(
    "names", [("a", "A"), ("a/b", "A/B"), ("e\u0301", "\u00e9"), ("stra\u00dfe", "STRASSE"), ("a", "a/b"), ("A", "a/b")]
)
def test_names_that_fall_on_each_other_are_refused(tmp_path, kind, names):
    path = make(tmp_path / kind, dict.fromkeys(names, b"1\n"))
    assert "there twice" in (said := reasons(path)) or "a file and a folder at once" in said


def test_the_same_name_twice_is_refused(tmp_path):
    path = make_tar(tmp_path / "x.tar", {"a": b"1"}, entries=[entry("a")])
    assert "'a': it is there twice" in reasons(path)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.CHRTYPE, "neither a file nor a folder"),
        (tarfile.BLKTYPE, "neither a file nor a folder"),
        (tarfile.FIFOTYPE, "neither a file nor a folder"),
        (b"V", "neither a file nor a folder"),
    ],
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind, words):
    path = make_tar(tmp_path / "x.tar", {"a": b"1"}, entries=[entry("l", kind, link="a"), entry("l/under")])
    assert words in reasons(path)


def test_sparse_files_are_refused_though_they_weigh_nothing(tmp_path):
    (tmp_path / "big").touch()
    os.truncate(tmp_path / "big", 1 << 40)
    command = ["tar", "-C", str(tmp_path), "-S", "-cf", str(tmp_path / "x.tar")]
    for form in ("gnu", "posix"):
        subprocess.run([*command, f"--format={form}", "big"], check=True)
        assert "'big': it is a sparse file" in reasons(tmp_path / "x.tar")


def with_mode(name, mode):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


@pytest.mark.parametrize(
    ("mode", "words"), [(stat.S_IFLNK | 0o777, "symbolic link"), (stat.S_IFIFO | 0o644, "neither a file nor a folder")]
)
def test_links_and_devices_in_a_zip_are_refused(tmp_path, mode, words):
    path = make_zip(tmp_path / "x.zip", {"a": b"1", with_mode("l", mode): b"/etc"})
    assert words in reasons(path)


def test_an_encrypted_zip_is_refused(tmp_path):
    path = make_zip(tmp_path / "x.zip", {"a.jsonl": b"1\n"})
    content = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + at] |= 1
    path.write_bytes(content)
    assert "'a.jsonl': it is encrypted" in reasons(path)


@pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
def test_a_zip_packed_by_another_method_is_refused(tmp_path, method):
    assert "other than deflate" in reasons(make_zip(tmp_path / "x.zip", {"a": b"1" * 100}, method))


def test_a_name_cut_at_nul_is_refused(tmp_path):
    path = make_zip(tmp_path / "x.zip", {"good.jsonlX.exe": b"1\n"})
    path.write_bytes(path.read_bytes().replace(b"good.jsonlX", b"good.jsonl\0"))
    assert "control character" in reasons(path)


def test_a_name_that_is_not_utf_8_is_refused(tmp_path):
    path = make_tar(tmp_path / "x.tar", {"a\udcff": b"1\n"}, form=tarfile.GNU_FORMAT)
    assert "not UTF-8" in reasons(path)


def test_all_reasons_are_given_at_once_and_not_without_end(tmp_path):
    said = reasons(make_tar(tmp_path / "x.tar", {f"../{number}": b"" for number in range(30)}))
    assert said.count("leads out") == 20
    assert "and 10 more" in said


@pytest.mark.skipif(not BROKEN.is_dir(), reason="needs the shared data, which is not there")
def test_the_archive_of_the_broken_files_is_refused_with_each_of_its_tricks(tmp_path):
    path = BROKEN / "b16_path_traversal.tar.gz"
    with pytest.raises(Refused) as refusal:
        unpack(path, tmp_path / "in" / "out")
    said = str(refusal.value)
    assert all(words in said for words in ("is absolute", "symbolic link", "hard link"))
    assert said.count("leads out of its folder") == 2
    assert everything(tmp_path) == []


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
