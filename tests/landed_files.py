"""A folder with files that have lain there for a while, and what was taken of it."""

import os

import pytest

from pipelines.delivery import deliveries, landing
from pipelines.landing import take
from pipelines.settings import read_settings

FILES = {"a.jsonl": b"one\n", "deep/b.jsonl": b"two\n" * 100, "empty.jsonl": b""}


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path / "home"))
    return read_settings()


@pytest.fixture
def source(tmp_path):
    """A folder with three files that have lain there for a while."""
    return fill(tmp_path / "source", FILES)


def fill(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (1_700_000_000, 1_700_000_000))
    return folder


def quietly(source, settings, **options):
    return take(str(source), settings, say=lambda _: None, **{"quiet_s": 0.01} | options)


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def taken(settings):
    """All that was ever taken: (name, content) of each file of each delivery."""
    folders = [landing(settings) / delivery.id / "files" for delivery in deliveries(settings)]
    return sorted(item for folder in folders for item in contents(folder).items())
