"""What lies in a folder is taken once and whole, and what must not be taken is left or refused with the reason."""

import json
import os
import shutil

import pytest

from pipelines.delivery import deliveries
from pipelines.errors import Refused, ScriptoriumError
from pipelines.landing import take
from tests.landed_files import FILES, contents, fill, quietly, settings, source, taken

__all__ = ["settings", "source"]


def test_new_files_become_a_delivery_that_names_their_content(source, settings):
    found = quietly(source, settings)
    assert contents(found.folder / "files") == FILES
    manifest = json.loads((found.folder / "manifest.json").read_text())
    (entry,) = [file for file in manifest["files"] if file["name"] == "a.jsonl"]
    assert entry["sha256"] == "2c8b08da5ce60398e1f19af0e5dccc744df274b826abe585eaba68c525434806"
    assert (entry["size"], entry["uri"]) == (4, str(source / "a.jsonl"))
    assert not list(settings.work.rglob("*.jsonl"))


def test_nothing_is_taken_twice(source, settings):
    quietly(source, settings)
    assert quietly(source, settings).folder is None
    assert quietly(f"{source}/", settings).folder is None
    assert quietly(source / "deep", settings).folder is None
    assert taken(settings) == sorted(FILES.items())


def test_only_what_is_new_is_taken_the_next_time(source, settings):
    quietly(source, settings)
    fill(source, {"c.jsonl": b"three\n"})
    assert contents(quietly(source, settings).folder / "files") == {"c.jsonl": b"three\n"}


def test_other_content_under_the_same_name_is_new_even_with_the_same_size_and_time(source, settings):
    quietly(source, settings)
    fill(source, {"a.jsonl": b"ONE\n"})
    assert contents(quietly(source, settings).folder / "files") == {"a.jsonl": b"ONE\n"}


def test_a_file_that_was_only_touched_is_not_new(source, settings):
    quietly(source, settings)
    fill(source, {"a.jsonl": b"one\n"})
    assert quietly(source, settings).folder is None
    # What it is now known by is kept, so that it is not read again and again.
    assert [file.name for file in deliveries(settings)[-1].again] == ["a.jsonl"]
    assert quietly(source, settings).delivery is None


def test_a_single_file_can_be_a_source(source, settings):
    found = quietly(source / "a.jsonl", settings)
    assert contents(found.folder / "files") == {"a.jsonl": b"one\n"}


def test_unfinished_and_hidden_files_are_left_with_the_reason(source, settings):
    names = ["x.jsonl.part", "x.TMP", "_temporary/0/x.jsonl", ".hidden", ".git/x", "x.crdownload"]
    fill(source, dict.fromkeys(names, b"x"))
    found = quietly(source, settings)
    assert contents(found.folder / "files") == FILES
    assert sorted(found.left) == sorted(names)
    (source / "x.jsonl.part").rename(source / "x.jsonl")
    assert contents(quietly(source, settings).folder / "files") == {"x.jsonl": b"x"}


def test_links_and_devices_are_left(source, settings):
    (source / "link.jsonl").symlink_to("/etc/hostname")
    (source / "folder").symlink_to("/etc")
    os.mkfifo(source / "pipe")
    found = quietly(source, settings)
    assert contents(found.folder / "files") == FILES
    assert {name: why.split(",")[0] for name, why in found.left.items()} == {
        "link.jsonl": "it is a link",
        "folder": "it is a link",
        "pipe": "it is no plain file",
    }


def test_names_that_could_do_harm_are_left(source, settings, capsys):
    for name in ("a\nb", "a\\b", "c:d"):
        fill(source, {name: b"x"})
    (source / os.fsdecode(b"not-utf-8-\xff")).write_bytes(b"x")
    found = take(str(source), settings, quiet_s=0.01)
    assert contents(found.folder / "files") == FILES
    assert len(found.left) == 4
    assert "control character or is not UTF-8" in capsys.readouterr().out


def test_a_missing_source_or_another_scheme_is_refused(settings, tmp_path):
    with pytest.raises(Refused, match=r"there is no folder or file .*/nowhere"):
        quietly(tmp_path / "nowhere", settings)
    with pytest.raises(Refused, match=r"gs:// is not a place .* s3://bucket/prefix/"):
        quietly("gs://bucket/x", settings)


def test_secrets_in_an_address_are_refused_and_not_repeated(settings):
    with pytest.raises(Refused, match="holds no credentials") as refusal:
        quietly("s3://AKIDEXAMPLE:hush@bucket/in/", settings)
    assert "hush" not in str(refusal.value)


def test_a_disk_without_room_is_named_before_anything_is_copied(source, settings):
    os.truncate(source / "a.jsonl", shutil.disk_usage(source).free + (1 << 30))
    with pytest.raises(ScriptoriumError, match=r"MB are to come, .* has room for .* move SCRIPTORIUM_HOME"):
        quietly(source, settings)


def test_a_damaged_manifest_is_named_not_ignored(source, settings):
    manifest = quietly(source, settings).folder / "manifest.json"
    manifest.write_text("{}")
    with pytest.raises(ScriptoriumError, match=r"manifest\.json is damaged"):
        quietly(source, settings)


def test_progress_says_how_much_is_left(source, settings, monkeypatch):
    monkeypatch.setattr("pipelines.fetching.TELL_S", 0.0)
    said = []
    take(str(source), settings, say=said.append, quiet_s=0.01)
    assert any("of 3 files" in line and "s left" in line for line in said)
    assert said[-1].startswith("took 3 files (0.0 MB)")


def test_what_is_left_is_shown_shortly(source, settings, capsys):
    fill(source, {f"{'x' * 90}{number}.tmp": b"x" for number in range(9)})
    take(str(source), settings, quiet_s=0.01)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("left 9 files")]
    assert len(line) < 800
