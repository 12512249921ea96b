"""How long a written text may be is the recipe's to say, and goes with the model to wherever it is asked."""

import tomllib

import pytest

from models.tasks import TASKS
from pipelines.errors import Refused
from pipelines.mirror import here
from pipelines.recipe_file import parse_recipe
from pipelines.room import require_room
from pipelines.steps import make
from tests.evidence import RECIPE, artifact
from tests.small_evaluation import base_of, dataset, frozen, model_files, rows_of
from tests.small_evaluation import settings as settings  # noqa: PLC0414 - the fixture
from tests.toy_models import TEXTS

PROMPT = "Deletes the"
WRITER = {
    "task": "generation",
    "base": {"model": {"scratch": "micro-decoder"}},
    "pretrain": {"objective": "causal", "tokens": 1000, "block": 64},
    "gates": [{"metric": "bits_per_byte", "at_most": 9.0}],
}


def babbler():
    """A decoder that never comes to an end, and its tokenizer."""
    import torch

    from models.scratch import scratch

    model, tokenizer = scratch("micro-decoder", TEXTS, 7)
    with torch.no_grad():
        model.lm_head.weight[tokenizer.eos_token_id] = 0
        model.lm_head.weight[1:] += 1
    return model, tokenizer


def test_a_model_writes_as_many_tokens_as_lie_beside_its_weights_here_and_served(tmp_path):
    from models import serving
    from models.backbone import save
    from models.generate import generate, too_long
    from models.writers import load_writer

    model, tokenizer = babbler()
    for most in (5, 90):
        model.generation_config.max_new_tokens = most
        save(model, tokenizer, tmp_path)
        (written,) = generate(*load_writer(tmp_path), [PROMPT])
        assert too_long(tokenizer, [written], most - 2) == 1
        assert too_long(tokenizer, [written], most + 2) == 0
        assert serving.load(tmp_path, "generation")([{"prompt": PROMPT}]) == [{"prediction": written}]


@pytest.mark.slow
def test_a_training_lays_it_beside_the_weights_and_says_how_many_texts_are_longer(settings, tmp_path, capfd):
    from models.backbone import save
    from models.scratch import scratch
    from models.writers import load_writer

    save(*scratch("micro-decoder", TEXTS, 7), tmp_path / "writer")
    told = {"batch_size": 4, "max_length": 64, "epochs": 1, "max_new_tokens": 2}
    run = frozen(settings, **WRITER, finetune=told)
    rows = rows_of(TASKS["generation"])
    made = {"dataset": artifact(settings, run, "dataset", {}, dataset(rows))}
    base = base_of(settings, run, made["dataset"], model_files(tmp_path / "writer", 3.0, 3.0))
    tuned = here(make("finetune", run, made | {"model": base}))
    assert load_writer(tuned / "model")[0].generation_config.max_new_tokens == 2
    assert (
        "have 2 tokens or more, after which an answer is cut; raise finetune.max_new_tokens" in capfd.readouterr().out
    )


def test_a_task_that_writes_nothing_does_not_take_it():
    with pytest.raises(Refused, match=r"finetune.max_new_tokens is for tasks that write texts; pair_classification"):
        parse_recipe(tomllib.loads(RECIPE) | {"finetune": {"max_new_tokens": 32}}, "checker")


def test_more_than_the_base_reads_is_refused_with_what_it_takes():
    model, _ = babbler()
    recipe = parse_recipe(
        tomllib.loads(RECIPE) | WRITER | {"finetune": {"max_new_tokens": 512, "max_length": 64}}, "writer"
    )
    with pytest.raises(Refused, match=r"finetune.max_new_tokens is 512, but the base reads 512 .* set it to 511 or"):
        require_room(model, recipe)


@pytest.mark.parametrize("max_new_tokens", [64, 128])
def test_more_than_a_student_reads_is_refused(max_new_tokens):
    from pipelines.student import require_smaller

    told = {"max_new_tokens": max_new_tokens, "max_length": 64}
    recipe = parse_recipe(tomllib.loads(RECIPE) | WRITER | {"finetune": told}, "writer")
    model, _ = babbler()
    if max_new_tokens == 64:
        require_smaller(model, 128, 10**9, recipe)
    else:
        with pytest.raises(Refused, match=r"max_new_tokens is 128, but distil.student reads 128 tokens; take another"):
            require_smaller(model, 128, 10**9, recipe)
