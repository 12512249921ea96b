"""docs/your-own-data.md is true: its commands, run as they stand there, lead from a bucket to a trained model."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.settings import ROOT
from tests.dropped_files import drop, drop_all, example
from tests.s3_server import s3_server

pytestmark = [pytest.mark.service, pytest.mark.slow, pytest.mark.timeout(900)]

PAGE = (ROOT / "docs" / "your-own-data.md").read_text(encoding="utf-8")
TOML = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)


def test_its_commands_lead_from_a_bucket_to_a_trained_model(tmp_path, monkeypatch, free_port):
    import boto3

    home = tmp_path / "home"
    drop_all(tmp_path / "made", rows=60)
    drop(home / "texts" / "sample.jsonl", [example(f"s-{n}") for n in range(20)])
    recipes = home / "texts" / "recipes"
    recipes.mkdir()
    (recipes / "caption_writer.toml").write_text(TOML[0])
    (tmp_path / "buckets" / "my-bucket").mkdir(parents=True)
    with s3_server(tmp_path / "buckets") as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        s3 = boto3.session.Session(region_name="us-east-1").client("s3")
        for path in sorted((tmp_path / "made").rglob("*.jsonl")):
            key = f"drop/{path.relative_to(tmp_path / 'made').as_posix()}"
            s3.put_object(Bucket="my-bucket", Key=key, Body=path.read_bytes())
        environ = os.environ | {"HOME": str(home), "PYTHONPATH": str(ROOT)}
        environ |= {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        environ |= {f"SCRIPTORIUM_{name}_PORT": str(free_port()) for name in ("AIRFLOW", "MLFLOW")}
        script = "\n".join(["set -e", *(f"echo '$ {command}'; {command}" for command in COMMANDS)])
        done = subprocess.run(["bash", "-c", script], cwd=ROOT, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(COMMANDS) == 10
    said = dict(re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", done.stdout, re.MULTILINE))
    assert "report:" in said["scriptorium train caption_writer"]
    assert done.stdout.rstrip().endswith("nothing new")


def test_what_it_says_of_airflow_is_a_recipe(tmp_path):
    from pipelines.recipe_file import load_recipe

    (tmp_path / "caption_writer.toml").write_text(TOML[0] + TOML[1])
    recipe = load_recipe(tmp_path / "caption_writer.toml")
    assert recipe.ingest.watch
    assert recipe.retrain.on_new_data
