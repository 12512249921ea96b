"""Editors and readers are told every key of a recipe: what it means, what it may be, what it is when left out."""

import json
import subprocess
import sys
import tomllib

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from pipelines.recipe import Recipe
from pipelines.recipe_page import page
from pipelines.recipe_schema import recipe_schema
from pipelines.settings import ROOT

RECIPES = sorted((ROOT / "pipelines/recipes").glob("*.toml"))
SEARCH = """
[search]
space."finetune.learning_rate" = { low = 1e-5, high = 1e-3, log = true }
space."finetune.method" = ["full", "lora"]
"""


def problem(text: str) -> str | None:
    """What the schema says is wrong with a recipe, or None."""
    found = best_match(Draft202012Validator(recipe_schema()).iter_errors(tomllib.loads(text)))
    return found and found.message


def headline_writer() -> str:
    return (ROOT / "pipelines/recipes/headline_writer.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_that_is_taken_is_valid_by_the_schema(path):
    assert problem(path.read_text(encoding="utf-8")) is None


def test_a_frozen_recipe_names_nothing_that_the_schema_does_not_know():
    recipe = Recipe.model_validate(tomllib.loads(headline_writer() + SEARCH))
    written = json.loads(recipe.model_dump_json(exclude_none=True))
    assert list(Draft202012Validator(recipe_schema()).iter_errors(written)) == []


def test_the_choices_of_a_search_may_be_a_list_or_a_range():
    assert problem(headline_writer() + SEARCH) is None
    assert problem(headline_writer() + SEARCH.replace('["full", "lora"]', '["full"]')) is not None


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("epochs = 4", "epoch = 4", "'epoch' was unexpected"),
        ("epochs = 4", 'epochs = "4"', "'4' is not of type 'integer'"),
        ("epochs = 4", "epochs = 400", "400 is greater than the maximum of 100"),
        ('task = "summarisation"', 'task = "summary"', "'summary' is not one of ['classification'"),
        ('objective = "causal"', "", "'objective' is a required property"),
        ("[finetune]", "[validations]\n[finetune]", "'validations' was unexpected"),
        ("share = 0.1 }", "share = 0.1, shares = 2 }", "'shares' was unexpected"),
    ],
)
def test_a_mistake_in_a_recipe_is_one_by_the_schema(right, wrong, said):
    assert said in problem(headline_writer().replace(right, wrong, 1))


def test_every_key_says_what_it_means():
    schema = recipe_schema()
    tables = {"Recipe": schema, **schema["$defs"]}
    untold = {
        (name, key)
        for name, table in tables.items()
        for key, value in table.get("anyOf", [table])[0]["properties"].items()
        if "description" not in value and "$ref" not in value
    }
    assert not untold, "give these fields a description where they are declared"


def test_every_default_is_allowed():
    def defaults(place):
        if isinstance(place, dict):
            if "default" in place and not isinstance(place["default"], dict):
                yield place
            for inner in place.values():
                yield from defaults(inner)

    found = list(defaults(recipe_schema()))
    assert len(found) > 80
    assert [one for one in found if not Draft202012Validator(one).is_valid(one["default"])] == []


def command(*words: str) -> str:
    run = [sys.executable, "-m", "pipelines.cli", "schema", *words]
    return subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_the_command_prints_the_schema():
    assert json.loads(command()) == recipe_schema()


def test_the_page_of_all_keys_is_what_the_code_says():
    written = (ROOT / "docs/recipe.md").read_text(encoding="utf-8")
    assert written == page(recipe_schema()), "scriptorium schema --markdown > docs/recipe.md"
    assert command("--markdown") == written


def test_every_link_of_the_page_leads_somewhere():
    import re

    written = page(recipe_schema())
    titles = re.findall(r"^## (.+)$", written, re.MULTILINE)
    anchors = {"".join(letter for letter in title.lower() if letter.isalnum() or letter in "_-") for title in titles}
    named = set(re.findall(r"\]\(#([^)]+)\)", written))
    assert named - {"in-an-editor"} <= anchors
    assert len(named) > 20
    pages = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", written)
    assert [one for one in pages if not (ROOT / "docs" / one).exists()] == []
