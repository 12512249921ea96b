"""What a search may change is checked before anything runs: keys, values, and how they go together."""

import tomllib

import pytest

from pipelines.errors import Refused
from pipelines.recipe_file import parse_recipe
from pipelines.search_space import with_settings
from tests.evidence import RECIPE


def recipe_with(search):
    return parse_recipe(tomllib.loads(f"{RECIPE}\n[search]\n{search}"), "mine.toml")


REFUSED = {
    'space."finetune.learing_rate" = [1e-4, 2e-4]': "did you mean 'finetune.learning_rate'",
    "space.epochs = [1, 2]": "did you mean 'finetune.epochs'",
    'space."pretrain.tokens" = [1, 2]': "only keys of [finetune]",
    "space.finetune.epochs = [1, 2]": 'in quotes: space."finetune.epochs" = ...',
    'space."finetune.epochs" = 3': "a list of at least two choices",
    'space."finetune.epochs" = [3]': "search.space.finetune.epochs.choices",
    'space."finetune.epochs" = [3, 3]': "a choice stands there twice",
    'space."finetune.epochs" = { low = 1, hgh = 3 }': "did you mean 'high'",
    'space."finetune.epochs" = { low = 3, high = 1 }': "low must be below high",
    'space."finetune.epochs" = { low = 1 }': "a range such as",
    'space."finetune.epochs" = { low = 1, high = 200 }': "finetune.epochs may be 200",
    'space."finetune.epochs" = { low = 1, high = 2.5 }': "finetune.epochs may be 2.5",
    'space."finetune.dropout" = { low = 0, high = 0.5, log = true }': "log needs a low above 0",
    'space."finetune.method" = ["lora", "lra"]': "finetune.method may be 'lra'",
    'space."finetune.accumulation" = [1, 3]': "finetune.accumulation must divide finetune.batch_size",
    'space."finetune.r_drop" = [0, 1]': "finetune.r_drop = 1 do not go together",
    'space."finetune.validation_texts" = [0, 50]': "says what trials are compared by",
    "trials = 3": "search.space is missing",
    'space."finetune.epochs" = [1, 2]\nminutes = 0': "search.minutes",
    'space."finetune.epochs" = [1, 2]\npruning = "medium"': "search.pruning",
}


@pytest.mark.parametrize("search", REFUSED)
def test_what_cannot_be_searched_is_refused_with_its_cure(search):
    with pytest.raises(Refused) as refused:
        recipe_with(search)
    assert str(refused.value).startswith("mine.toml: ")
    assert REFUSED[search] in str(refused.value)


def test_settings_that_only_go_together_are_taken_together():
    found = recipe_with('space."finetune.r_drop" = [1, 4]\nspace."finetune.dropout" = { low = 0.1, high = 0.3 }')
    chosen = {"finetune.r_drop": 4, "finetune.dropout": 0.2}
    changed = with_settings(found, chosen)
    assert (changed.finetune.r_drop, changed.finetune.dropout) == (4, 0.2)
    assert changed.pretrain == found.pretrain


def test_a_whole_number_between_the_ends_is_tried_too():
    with pytest.raises(Refused, match=r"finetune\.batch_size = 17, finetune\.accumulation = 2"):
        recipe_with('space."finetune.batch_size" = { low = 16, high = 18 }\nspace."finetune.accumulation" = [1, 2]')


def test_a_space_of_many_combinations_is_checked_value_by_value():
    many = "\n".join(f'space."finetune.{key}" = {{ low = 1, high = 90 }}' for key in ("epochs", "batch_size", "rank"))
    assert len(recipe_with(many).search.space) == 3
    with pytest.raises(Refused, match=r"finetune\.max_length may be 15"):
        recipe_with(f'{many}\nspace."finetune.max_length" = {{ low = 15, high = 90 }}')
