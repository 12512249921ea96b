"""The README is true: every command, recipe, task and target that exists is named there, and nothing else."""

import re
from pathlib import Path

from typer.main import get_command

from models.tasks import TASKS
from pipelines.cli import app
from pipelines.settings import ROOT, VARIABLES, read_settings

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_command_is_in_the_readme():
    shown = [name for name, command in get_command(app).commands.items() if not command.hidden]
    assert [name for name in shown if f"`scriptorium {name}" not in README and f"`{name}`" not in README] == []


def test_every_command_in_the_readme_exists():
    commands = get_command(app).commands
    assert set(re.findall(r"scriptorium ([a-z]+)", README)) <= set(commands)


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
    assert [name for name in TASKS if f'"{name}"' not in README] == []


def test_a_page_or_picture_that_the_readme_links_to_exists():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_no_settings_variable_is_unknown_to_the_help():
    assert read_settings({name: "" for name in VARIABLES if "URL" not in name}).airflow_port == 8080
