"""How continued pretraining is kept from forgetting, as a recipe's [pretrain] says: ewc, distil, method."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipelines.errors import Refused
from pipelines.language_training import Pair, text_plan
from pipelines.steps import Work

if TYPE_CHECKING:
    from models.schedule import Plan

# So much general text, and as much of each earlier domain, says how much each weight matters.
KNOWN_TOKENS = 20_000


def holding(work: Work, pair: Pair) -> Callable[[Plan], Plan]:
    """What is added to a plan, so that the base, given with its tokenizer, keeps its weights or its answers."""
    from models.arguments import device

    model, _ = pair
    settings = work.run.recipe.pretrain
    model.to(device())  # before its weights and its answers are noted, which are compared with those that learn

    def hold(plan: Plan) -> Plan:
        from models.continual import Remembering, WeightAnchor, fisher
        from models.losses import Loss

        if settings.ewc and len(plan):
            before = {file: KNOWN_TOKENS for name, file in work.run.recipe.data.corpora.items() if name != "domain"}
            known = text_plan(work, pair, before)
            plan = replace(plan, hooks=[*plan.hooks, WeightAnchor(model, settings.ewc, fisher(model, known))])
        if teacher is not None:
            loss = plan.loss
            assert isinstance(loss, Loss), "a pretraining has one task"
            kept = Remembering(
                loss.read, loss.criterion, loss.r_drop, loss.first, teacher=teacher, weight=settings.distil
            )
            plan = replace(plan, loss=kept)
        return plan

    # Taken now: matrices that are laid beside the weights later are no part of what the model was.
    teacher = copy.deepcopy(model).eval().requires_grad_(requires_grad=False) if settings.distil else None
    return hold


def learner(work: Work, model: Any) -> Any:
    """What learns: the model, or with method "lora" the same model with matrices beside its weights, to be merged."""
    from models.methods import lora

    settings = work.run.recipe.pretrain
    if settings.method != "lora" or not settings.tokens:
        return model
    try:
        return lora(model, settings.rank, 0)
    except ValueError as error:
        raise Refused(f"pretrain.method lora: {error}") from None


def plain(learned: Any) -> Any:
    """The model itself, in place, of what `learner` gave: the losses know its parts by name."""
    return learned.get_base_model() if hasattr(learned, "get_base_model") else learned
