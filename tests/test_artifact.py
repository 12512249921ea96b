"""An artifact is whole or it is not there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.artifact import is_whole, publish, read_manifest, seal, verify
from pipelines.errors import ScriptoriumError
from pipelines.settings import ROOT


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "weights").write_bytes(b"weights")
    (folder / "notes.txt").write_text("notes")
    seal(folder, "finetune", {"seed": "7"}, {})
    publish(folder, tmp_path / "finetune" / "key")
    return tmp_path / "finetune" / "key"


def test_a_published_artifact_is_whole(artifact):
    assert is_whole(str(artifact))
    assert set(verify(str(artifact)).files) == {"model/weights", "notes.txt"}


def test_a_changed_byte_is_named(artifact):
    (artifact / "model" / "weights").write_bytes(b"wEights")
    with pytest.raises(ScriptoriumError, match="model/weights is not the file"):
        verify(str(artifact))


def test_a_missing_file_is_named(artifact):
    (artifact / "notes.txt").unlink()
    with pytest.raises(ScriptoriumError, match=r"lacks notes\.txt"):
        verify(str(artifact))


def test_a_file_that_nobody_wrote_down_is_named(artifact):
    (artifact / "model" / "pickle.bin").write_bytes(b"")
    with pytest.raises(ScriptoriumError, match=r"pickle\.bin, which its manifest does not name"):
        verify(str(artifact))


def test_a_folder_without_manifest_is_not_an_artifact(artifact):
    (artifact / "manifest.json").unlink()
    assert not is_whole(str(artifact))
    with pytest.raises(ScriptoriumError, match="not a whole artifact"):
        read_manifest(str(artifact))


def test_the_digest_is_the_content_and_not_how_long_it_took(artifact, tmp_path):
    again = tmp_path / "again"
    (again / "model").mkdir(parents=True)
    (again / "model" / "weights").write_bytes(b"weights")
    (again / "notes.txt").write_text("notes")
    (again / "timings.json").write_text('{"seconds": 3}')
    assert seal(again, "finetune", {"seed": "8"}, {}).digest == read_manifest(str(artifact)).digest


def test_publishing_replaces_what_stood_there_half_done(tmp_path):
    target = tmp_path / "finetune" / "key"
    target.mkdir(parents=True)
    (target / "half").write_text("")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "whole").write_text("")
    seal(folder, "finetune", {}, {})
    publish(folder, target)
    assert is_whole(str(target))


def test_chinese_in_json_is_written_and_read_alike_whatever_the_locale(tmp_path):
    script = "from pathlib import Path; from pipelines.artifact import *; import sys; p = Path(sys.argv[1]); "
    script += "write_json(p, {'title': '\\u8d44\\u91d1'}); assert read_json(p) == {'title': '\\u8d44\\u91d1'}"
    locale = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "a.json")], env=os.environ | locale, check=True, cwd=ROOT
    )
