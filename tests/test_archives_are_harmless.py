"""An archive with anything that could do harm is refused, with all reasons and nothing written."""

import stat
import tarfile
import zipfile

import pytest

from pipelines.archives import unpack
from pipelines.errors import Refused
from pipelines.settings import ROOT
from tests.archive_files import entry, everything, make, make_tar, make_zip, reasons

BROKEN = ROOT.parent / "shared" / "data" / "broken"
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
