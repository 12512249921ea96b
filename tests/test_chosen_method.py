"""Every key of a recipe's [finetune] reaches the training, and what cannot work is refused before it."""

from pathlib import Path
from typing import Any

import pytest

from pipelines.chosen_method import chosen_method
from pipelines.errors import Refused
from pipelines.recipe_file import load_recipe
from pipelines.settings import ROOT
from tests import toy_models

pytestmark = pytest.mark.slow


def chosen(folder: Path, texts: int, **changes: Any) -> Any:
    from models import backbone, objectives
    from models.schedule import Passes

    recipe = ROOT / "pipelines" / "recipes" / "summary_checker.toml"
    values = load_recipe(recipe, {f"finetune.{key}": value for key, value in changes.items()})
    model, tokenizer = backbone.new_classifier(toy_models.encoder_folder(folder), ["no", "yes"], 1, 64, 1)
    rows = [(text,) for text in toy_models.TEXTS[:texts]]
    labels = [int(n % 4 == 0) for n in range(texts)]
    return chosen_method(values, model, objectives.label_plan(tokenizer, rows, labels, Passes(4, 1, 1)))


def test_every_key_reaches_the_training(tmp_path: Path):
    losses = {"label_smoothing": 0.1, "class_weights": True, "focal": 2.0, "r_drop": 3.0, "dropout": 0.2}
    rest = {"fgm": 0.5, "neftune": 5.0, "optimizer": "sgd", "gradient_clipping": 0.0, "frozen_layers": None} | {
        "schedule": "wsd",
        "warm_up": 0.2,
    }
    model, plan, pace = chosen(tmp_path, 40, method="adalora", rank=2, **losses, **rest)
    criterion = plan.loss.criterion
    assert (criterion.smoothing, criterion.focus, plan.loss.r_drop) == (0.1, 2.0, 3.0)
    assert criterion.weights == pytest.approx((2 / 3, 2))
    assert (pace.optimizer, pace.clip, pace.noise) == ("sgd", 0.0, 5.0)
    assert (pace.schedule, pace.warm_up) == ("wsd", 0.2)
    assert [type(hook).__name__ for hook in plan.hooks] == ["RankAllocation", "FastGradient"]
    assert (model.peft_config["default"].target_r, model.peft_config["default"].total_step) == (2, 10)
    assert {m.p for m in model.modules() if type(m).__name__ == "Dropout" and m.p} == {0.2}


def test_a_recipe_without_methods_trains_plainly(tmp_path: Path):
    from models.losses import Criterion

    _, plan, pace = chosen(tmp_path, 8)
    assert (plan.loss.criterion, plan.loss.r_drop, plan.hooks) == (Criterion(), 0.0, [])
    assert (pace.optimizer, pace.clip, pace.noise) == ("adamw", 1.0, 0.0)
    assert (pace.schedule, pace.warm_up) == ("linear", 0.06)


def test_words_that_move_on_are_read_as_often_as_the_recipe_says(tmp_path: Path):
    (hook,) = chosen(tmp_path, 8, freelb=0.4, freelb_readings=5)[1].hooks
    assert (type(hook).__name__, hook.epsilon, hook.times, hook.share) == ("FreeLargeBatch", 0.4, 4, 0.2)


def test_too_few_steps_for_a_method_are_refused_with_the_cure(tmp_path: Path):
    with pytest.raises(Refused, match=r"finetune.method: adalora needs 10 steps.*there are 2; take another method"):
        chosen(tmp_path, 8, method="adalora")
