"""How weights are adapted: all of them, the head alone, or few beside them, most of which are merged in the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from models.schedule import depth

# Fewer steps leave AdaLoRA no time to see which ranks matter.
FEWEST_STEPS = 10
# Kinds whose layers have the names of another's, where peft knows only that one.
NAMED_LIKE = {"eurobert": "llama"}


def full(model: Any, rank: int, steps: int) -> Any:  # noqa: ARG001 - all methods are called alike
    """Every weight learns."""
    return model


def head(model: Any, rank: int, steps: int) -> Any:  # noqa: ARG001
    """Only what is not the backbone learns: the classification head, or a decoder's output layer."""
    kept = {id(p) for p in model.get_output_embeddings().parameters()} if _is_writer(model) else set()
    for parameter in model.base_model.parameters():
        parameter.requires_grad = id(parameter) in kept
    return model


def lora(model: Any, rank: int, steps: int) -> Any:  # noqa: ARG001
    """Low-rank matrices beside every linear layer of the backbone, and the whole head, learn (Hu et al. 2021)."""
    from peft import LoraConfig

    return _beside(model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=_linear(model)))


def dora(model: Any, rank: int, steps: int) -> Any:  # noqa: ARG001
    """LoRA, and how long each row of the weights is, apart from its direction (Liu et al. 2024)."""
    from peft import LoraConfig

    return _beside(model, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=_linear(model), use_dora=True))


def adalora(model: Any, rank: int, steps: int) -> Any:
    """LoRA with ranks that move to the layers where they matter most, `rank` on average (Zhang et al. 2023).

    Every matrix starts with half as much again; ranks are taken away from a tenth of the steps on, and the last three
    tenths learn with those that are left. `models.hooks.RankAllocation` has to take part in the training. Raises
    ValueError when there are too few steps for that.
    """
    from peft import AdaLoraConfig

    if steps < FEWEST_STEPS:
        raise ValueError(f"adalora needs {FEWEST_STEPS} steps or more to choose ranks, and there are {steps}")
    first, last, every = steps // 10, 3 * steps // 10, max(1, steps // 100)
    times = {"total_step": steps, "tinit": first, "tfinal": last, "deltaT": every}
    ranks = {"target_r": rank, "init_r": rank + -(-rank // 2), "lora_alpha": 2 * rank}
    return _beside(model, AdaLoraConfig(**ranks, **times, target_modules=_linear(model)))


def ia3(model: Any, rank: int, steps: int) -> Any:  # noqa: ARG001
    """One factor for each key, each value and each inner state of the feed-forward blocks (Liu et al. 2022).

    Raises ValueError for a kind of model whose layers' names peft does not know.
    """
    from peft import IA3Config
    from peft.utils import constants

    kind = NAMED_LIKE.get(model.config.model_type, model.config.model_type)
    if kind not in (targets := constants.TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING):
        raise ValueError(f"ia3 does not know the layers of a {kind}; it knows {', '.join(sorted(targets))}")
    inner = constants.TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING[kind]
    found, blocks = (
        [name for name in _linear(model) if name.endswith(tuple(names))] for names in (targets[kind], inner)
    )
    return _beside(model, IA3Config(target_modules=found, feedforward_modules=blocks))


def bottleneck(model: Any, rank: int, steps: int) -> Any:  # noqa: ARG001
    """Small networks `rank` wide after each block of the backbone, its norms and the head learn (Houlsby et al. 2019).

    Raises ValueError for a kind of model whose blocks are not known.
    """
    from models.bottleneck import Bottleneck, insert

    insert(model, rank)
    modules = list(model.base_model.modules())
    adapters = [m for m in modules if isinstance(m, Bottleneck) and _learns(m.inner)]
    norms = [m for m in modules if type(m).__name__.endswith("Norm")]
    kept = {id(p) for module in (*adapters, *norms) for p in module.parameters()}
    kept -= {id(p) for adapter in adapters for p in adapter.inner.parameters()}
    for parameter in (model if _is_writer(model) else model.base_model).parameters():
        parameter.requires_grad &= id(parameter) in kept
    return model


def prefix(model: Any, rank: int, steps: int) -> Any:  # noqa: ARG001
    """`rank` virtual tokens before every text, as each layer's attention sees them, and the head learn.

    Li and Liang 2021, without their network in between. Raises ValueError for a kind of model that cannot have them.
    """
    return _behind(model, "prefix", rank)


def prompt(model: Any, rank: int, steps: int) -> Any:  # noqa: ARG001
    """`rank` virtual tokens before every text, as they would be embedded, and the head learn (Lester et al. 2021).

    Raises ValueError for a kind of model that cannot have them.
    """
    return _behind(model, "prompt", rank)


METHODS: dict[str, Callable[[Any, int, int], Any]] = {
    "full": full,
    "head": head,
    "lora": lora,
    "dora": dora,
    "adalora": adalora,
    "ia3": ia3,
    "bottleneck": bottleneck,
    "prefix": prefix,
    "prompt": prompt,
}


def _beside(model: Any, config: Any) -> Any:
    """The model with what peft lays beside it, and the head, learning."""
    from peft import get_peft_model

    backbone = {id(p) for p in model.base_model.parameters()}
    rest = [] if _is_writer(model) else [p for p in model.parameters() if id(p) not in backbone]
    adapted = get_peft_model(model, config)
    # Not as `modules_to_save`: that keeps the head twice, and IA3 cannot then be merged.
    for parameter in rest:
        parameter.requires_grad = True
    return adapted


def _behind(model: Any, kind: str, tokens: int) -> Any:
    """The model with virtual tokens before every text, which learn, and the head."""
    from models.virtual_tokens import put

    states = put(model, kind, tokens).states
    for parameter in (model if _is_writer(model) else model.base_model).parameters():
        parameter.requires_grad = parameter is states
    return model


def _linear(model: Any) -> list[str]:
    """The names of the backbone's linear layers that are not kept as they are."""
    from torch.nn import Linear
    from transformers.pytorch_utils import Conv1D

    kinds = (Linear, Conv1D)  # GPT-2 has the second, which is the first with its weights transposed
    # An encoder-decoder's backbone is all of it, its output layer too, which is tied to the embedding.
    backbone = {id(module) for module in model.base_model.modules()} - {id(model.get_output_embeddings())}
    return [n for n, m in model.named_modules() if isinstance(m, kinds) and id(m) in backbone and _learns(m)]


def _learns(module: Any) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())


def freeze_bottom(model: Any, layers: int) -> None:
    """Keep the embeddings and the lowest `layers` layers of the backbone as they are, whatever the method.

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
            continue
        # Numbers, as BART and BLOOM hold; ALBERT holds layers by these names.
        for name in ("attention_dropout", "hidden_dropout", "dropout", "activation_dropout"):
            own = getattr(module, name, None)
            if isinstance(own, int | float) and (own or name != "activation_dropout"):
                setattr(module, name, share)


def merged(model: Any) -> Any:
    """The plain model with what was learned beside it merged in; a plain model as it is."""
    return model.merge_and_unload() if hasattr(model, "merge_and_unload") else model


def count(model: Any) -> tuple[int, int]:
    """Weights that learn, and all weights."""
    parameters = list(model.parameters())
    return sum(p.numel() for p in parameters if p.requires_grad), sum(p.numel() for p in parameters)


def _is_writer(model: Any) -> bool:
    return bool(model.get_output_embeddings() is not None)
