"""A full disk, wherever it shows, is one message and exit code 75: the next try goes on once there is room."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from itertools import cycle, pairwise

import pytest

from pipelines.recipe_file import parse_recipe
from pipelines.run import freeze, new_run
from pipelines.settings import ROOT, read_settings
from tests.evidence import MD5, RECIPE, artifact
from tests.toy_models import TEXTS, encoder_folder

NAMESPACE = ["unshare", "-rm", "sh", "-c"]

WRITERS = """
import shutil, sqlite3
from pathlib import Path
import torch
from safetensors.torch import save_file
from pipelines.failure import ended

big = torch.zeros(500_000)
source = Path("/mnt/full")

def database():
    connection = sqlite3.connect("/mnt/a.db")
    connection.execute("create table t (x)")
    connection.execute("insert into t values (zeroblob(1000000))")

for write in (
    lambda: Path("/mnt/a").write_bytes(bytes(1_000_000)),
    lambda: save_file({"big": big}, "/mnt/a"),
    lambda: torch.save(big, "/mnt/a"),
    lambda: torch.save(big, open("/mnt/a", "wb")),
    lambda: shutil.copytree("/mnt", "/mnt/copy", ignore=shutil.ignore_patterns("copy")),
    database,
):
    try:
        write()
    except Exception as error:
        print(*ended(error, Path("/mnt/home")))
"""


@pytest.fixture
def on_a_small_disk():
    """Run a command with a file system of its own at /mnt, of so many KiB, half of them full."""
    if (
        not shutil.which("unshare")
        or subprocess.run([*NAMESPACE, "mount -t tmpfs none /mnt"], capture_output=True).returncode
    ):
        pytest.skip("this machine does not let us mount a small file system in a namespace of our own")

    def run(size, *command, **environ):
        half = f"mount -t tmpfs -o size={size}k none /mnt && head -c {size // 2}k /dev/zero > /mnt/full && exec"
        environment = os.environ | {"SCRIPTORIUM_HOME": "/mnt/home", "SCRIPTORIUM_THREADS": "1"} | environ
        line = [*NAMESPACE, f'{half} "$@"', "sh", sys.executable, *command]
        return subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True)

    return run


def answered(result):
    assert result.returncode == 75, result.stderr
    assert "the disk is full" in result.stderr
    assert "SCRIPTORIUM_HOME" in result.stderr
    assert "Traceback" not in result.stderr


def test_before_anything_is_made(on_a_small_disk):
    form = ["recipe=summary_checker", "run=r1", "form={}", "requester=me"]
    answered(on_a_small_disk(8, "-m", "pipelines.cli", "step", "freeze", *form))


@pytest.mark.slow
def test_whatever_library_was_writing(on_a_small_disk):
    result = on_a_small_disk(64, "-c", WRITERS)
    assert result.stderr == ""
    assert [line.split(" (")[0] for line in result.stdout.splitlines()] == ["error: the disk is full"] * 6
    assert all(line.endswith(" 75") for line in result.stdout.splitlines())


@pytest.mark.slow
def test_while_near_copies_are_looked_for(on_a_small_disk, tmp_path):
    texts = [" ".join(str(number * word) for word in range(60)) for number in range(2_000)]
    rows = [{"id": f"{n}", "text": text, "label": "ab"[n % 2], "lang": "en"} for n, text in enumerate(texts)]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ("-m", "pipelines.cli", "validate", str(tmp_path / "a.jsonl"), "--task", "classification")
    answered(on_a_small_disk(256, *command, TMPDIR="/mnt"))


@pytest.fixture
def step(tmp_path, monkeypatch):
    """The arguments of a real fine-tuning of a tiny encoder, whose inputs lie on an ordinary disk."""
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SCRIPTORIUM_ARTIFACTS", str(tmp_path / "artifacts"))
    settings = read_settings()
    run = freeze(new_run(parse_recipe(tomllib.loads(RECIPE), "test"), "r1", MD5, "engineer"), settings)
    rows = [{"text_a": a, "text_b": b, "label": c} for (a, b), c in zip(pairwise(TEXTS[:40]), cycle(("no", "yes")))]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    splits = {f"tasks/summary_check/{split}.jsonl": lines for split in ("train", "validation", "test")}
    dataset = artifact(settings, run, "dataset", {}, splits)
    files = {f"model/{path.name}": path for path in encoder_folder(tmp_path / "encoder").iterdir()}
    validation = artifact(settings, run, "validate", {"dataset": dataset}, {"validation.json": "{}"})
    model = artifact(settings, run, "base", {"dataset": dataset, "validation": validation}, files)
    return ["-m", "pipelines.cli", "step", "finetune", f"--run={run}", f"dataset={dataset}", f"model={model}"]


@pytest.mark.slow
@pytest.mark.parametrize("size", [160, 900], ids=["in the weights", "in the optimizer's state"])
def test_in_the_middle_of_a_training(on_a_small_disk, step, size):
    result = on_a_small_disk(size, *step)
    answered(result)
    assert "steps in" in result.stdout, "it had begun"
