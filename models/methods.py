"""How weights are adapted: all of them, the head alone, or low-rank matrices that are merged in the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from models.schedule import depth

HEAD = "head"


def full(model: Any, rank: int) -> Any:  # noqa: ARG001 - all methods are called alike
    """Every weight learns."""
    return model


def head(model: Any, rank: int) -> Any:  # noqa: ARG001
    """Only what is not the backbone learns: the classification head, or a decoder's output layer."""
    kept = {id(p) for p in model.get_output_embeddings().parameters()} if _is_writer(model) else set()
    for parameter in model.base_model.parameters():
        parameter.requires_grad = id(parameter) in kept
    return model


def lora(model: Any, rank: int) -> Any:
    """Low-rank matrices beside every linear layer of the backbone, and the whole head, learn (Hu et al. 2021)."""
    from peft import LoraConfig, get_peft_model

    saved = None if _is_writer(model) else [HEAD]
    config = LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear", modules_to_save=saved)
    return get_peft_model(model, config)


METHODS: dict[str, Callable[[Any, int], Any]] = {"full": full, "head": head, "lora": lora}


def freeze_bottom(model: Any, layers: int) -> None:
    """Keep the embeddings and the lowest `layers` layers of the backbone as they are.

    Nothing is propagated back below them: with 3 of 6 layers frozen a step costs a third less.
    """
    for name, parameter in model.base_model.named_parameters():
        if depth(name, layers) <= layers:
            parameter.requires_grad = False


def set_dropout(model: Any, share: float) -> None:
    """Drop `share` of the activations in training, whatever the model's config says."""
    for module in model.modules():
        if type(module).__name__ == "Dropout":
            module.p = share
        elif hasattr(module, "attention_dropout"):
            module.attention_dropout = share


def merged(model: Any) -> Any:
    """The plain model with what was learned beside it merged in; a plain model as it is."""
    return model.merge_and_unload() if hasattr(model, "merge_and_unload") else model


def count(model: Any) -> tuple[int, int]:
    """Weights that learn, and all weights."""
    parameters = list(model.parameters())
    return sum(p.numel() for p in parameters if p.requires_grad), sum(p.numel() for p in parameters)


def _is_writer(model: Any) -> bool:
    return bool(model.get_output_embeddings() is not None)
