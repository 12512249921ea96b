"""A training of the task's examples as the recipe's `[finetune]` says: what learns, what is lowered, and how."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipelines.errors import Refused

if TYPE_CHECKING:
    from models.hooks import Hook
    from models.losses import Loss
    from models.mixing import MixedLoss
    from models.schedule import Pace, Plan
    from pipelines.recipe import Finetune, Recipe


def chosen_method(recipe: Recipe, model: Any, plan: Plan) -> tuple[Any, Plan, Pace]:
    """The model with what learns in it, the plan with its loss and what goes on beside it, and the pace.

    Raises Refused when the method does not go with the model or with so few examples.
    """
    import torch

    from models.methods import METHODS, count, freeze_bottom, set_dropout

    settings = recipe.finetune
    set_dropout(model, settings.dropout)
    if settings.frozen_layers is not None:
        freeze_bottom(model, settings.frozen_layers)
    torch.manual_seed(recipe.seed)
    try:
        model = METHODS[settings.method](model, settings.rank, -(-len(plan) // settings.accumulation))
    except ValueError as error:
        raise Refused(f"finetune.method: {error}; take another method") from None
    print("{:,} of {:,} weights learn (method {})".format(*count(model), settings.method), flush=True)
    return model, replace(plan, loss=_loss(settings, plan), hooks=_hooks(settings, model)), _pace(recipe)


def _loss(settings: Finetune, plan: Plan) -> Loss | MixedLoss:
    from models.losses import Criterion, class_weights, each_label
    from models.mixing import MixedLoss

    if isinstance(plan.loss, MixedLoss):
        return replace(plan.loss, plans=[replace(one, loss=_loss(settings, one)) for one in plan.loss.plans])
    if settings.contrastive or plan.loss.criterion is each_label:
        return plan.loss
    weights = class_weights(plan.counts) if settings.class_weights else ()
    criterion = Criterion(settings.label_smoothing, settings.focal, weights)
    return replace(plan.loss, criterion=criterion, r_drop=settings.r_drop)


def _pace(recipe: Recipe) -> Pace:
    from models.schedule import Pace

    settings = recipe.finetune
    return Pace(
        settings.learning_rate,
        warm_up=settings.warm_up,
        schedule=settings.schedule,
        weight_decay=settings.weight_decay,
        layer_decay=settings.layer_decay,
        clip=settings.gradient_clipping,
        noise=settings.neftune,
        accumulation=settings.accumulation,
        optimizer=settings.optimizer,
        seed=recipe.seed,
    )


def _hooks(settings: Finetune, model: Any) -> list[Hook]:
    from models.hooks import FastGradient, FreeLargeBatch, RankAllocation

    ranks = [RankAllocation(model)] if settings.method == "adalora" else []
    moving = [FastGradient(settings.fgm)] if settings.fgm else []
    further = [FreeLargeBatch(settings.freelb, settings.freelb_readings)] if settings.freelb else []
    return [*ranks, *moving, *further]
