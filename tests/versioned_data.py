"""A small data folder with a version of its own, for tests about versions."""

import json

from pipelines.data_version import version_of, write_version

TRAIN = "tasks/mood/train.jsonl"


def row(number, text="so so", label="neutral"):
    return {"id": f"row-{number}", "text": text, "label": label, "lang": "en"}


def write(path, rows):
    """JSON lines; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def new_data(folder, rows=5):
    """A data folder with one task, a corpus and a file that is no JSON lines, and the data.dvc beside it."""
    write(folder / TRAIN, map(row, range(rows)))
    write(folder / "corpus" / "domain.jsonl", [{"id": "c-1", "text": "Long ago.", "lang": "en", "domain": "tales"}])
    (folder / "notes.txt").write_text("by hand\n")
    write_version(version_of(folder), folder, folder.with_name(f"{folder.name}.dvc"))
    return folder


def use(monkeypatch, root):
    """Point SCRIPTORIUM_* at folders below `root`."""
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(root / "home"))
    monkeypatch.setenv("SCRIPTORIUM_DATA", str(root / "data"))
