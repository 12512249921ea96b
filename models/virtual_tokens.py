"""Virtual tokens: vectors that are learned and stand before every text, while the weights stay as they are.

Prompt tuning (Lester et al. 2021) learns what would be embedded there, prefix tuning (Li and Liang 2021) what attention
would see of it in each layer: keys and values. Neither can be merged into other weights, so they are part of the model:
config.json says which and how many, and any class of model is loaded with them. No code of the model folder is run.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily
from torch import nn  # noqa: TID253
from torch.nn.functional import pad  # noqa: TID253
from transformers import DynamicCache  # noqa: TID253

KEY = "virtual_tokens"
NAME = "virtual"  # of the module in the backbone
# What a model reads, by the names that its forward method has for it.
Read = dict[str, Any]


class VirtualTokens(nn.Module):
    """What stands before every text. `kind` is "prompt" or "prefix", and `shape` that of `states`.

    A prompt's is (tokens, width), a prefix's (layers, 2 for keys and values, heads, tokens, width of a head).
    """

    def __init__(self, kind: str, shape: list[int]) -> None:
        super().__init__()
        self.kind = kind
        self.states = nn.Parameter(torch.zeros(shape))

    def __len__(self) -> int:
        return int(self.states.shape[-2])

    def before(self, backbone: Any, args: tuple[Any, ...], named: Read) -> tuple[tuple[()], Read]:
        """What the backbone shall read instead: the same texts, with the virtual tokens before them.

        Where a cache already holds them, only the places of what comes next move.
        """
        read = dict(zip(inspect.signature(backbone.forward).parameters, args, strict=False)) | named
        cache = read.get("past_key_values")
        begins = cache is None or not cache.get_seq_length()
        self._make_room(read, stands_in_text=begins and self.kind == "prompt")
        if begins:
            (self._embed if self.kind == "prompt" else self._remember)(backbone, read)
        return (), read

    def _make_room(self, read: Read, *, stands_in_text: bool) -> None:
        """Attend to the virtual tokens, and count the text's places from behind them."""
        if read.get("attention_mask") is not None:
            read["attention_mask"] = pad(read["attention_mask"], (len(self), 0), value=1)
        if (places := read.get("position_ids")) is not None:
            ours = torch.arange(len(self), device=places.device).expand(places.shape[0], -1)
            read["position_ids"] = torch.cat([ours[:, : len(self) * stands_in_text], places + len(self)], dim=1)
        if stands_in_text and read.get("token_type_ids") is not None:
            read["token_type_ids"] = pad(read["token_type_ids"], (len(self), 0))

    def _embed(self, backbone: Any, read: Read) -> None:
        words = read.get("inputs_embeds")
        if words is None:
            words = backbone.get_input_embeddings()(read.pop("input_ids"))
        read["inputs_embeds"] = torch.cat([self.states.to(words.dtype).expand(words.shape[0], -1, -1), words], dim=1)

    def _remember(self, _: Any, read: Read) -> None:
        if read.get("past_key_values") is None:
            read["past_key_values"] = DynamicCache()
        texts = next(read[name].shape[0] for name in ("input_ids", "inputs_embeds") if read.get(name) is not None)
        for number, layer in enumerate(self.states):
            keys, values = (states.expand(texts, -1, -1, -1) for states in layer)
            read["past_key_values"].update(keys, values, number)

    def after(self, _: Any, __: Any, read: Read, output: Any) -> Any:
        """The states of the texts alone: who uses them need not know what stood before."""
        if self.kind == "prompt" and read.get("inputs_embeds") is not None:
            output.last_hidden_state = output.last_hidden_state[:, len(self) :]
        return output


def put(model: Any, kind: str, tokens: int) -> VirtualTokens:
    """Put new virtual tokens before a model: at first they are words of its vocabulary, drawn at random.

    Raises ValueError for a kind of model that cannot have them, or has some.
    """
    backbone, config = model.base_model, model.config
    if hasattr(backbone, NAME):
        raise ValueError(f"the model has {len(backbone.virtual)} virtual tokens already")
    if config.is_encoder_decoder:
        raise ValueError(f"{kind} does not know where the virtual tokens of a {config.model_type} stand")
    if not _is_asked(model):
        names = type(model).__name__, type(backbone).__name__
        raise ValueError("{} never calls its {}, before which a {} stands; lora goes with it".format(*names, kind))
    words = backbone.get_input_embeddings().weight
    drawn = torch.randint(len(words), (tokens,)).to(words.device)
    states = words[drawn] if kind == "prompt" else _kept(backbone, drawn)
    put_back(model, {"kind": kind, "shape": list(states.shape)})
    backbone.virtual.states.data = states.detach().clone()
    return backbone.virtual  # type: ignore[no-any-return]


def _is_asked(model: Any) -> bool:
    """Whether a model that writes calls its backbone, before which virtual tokens stand: it is tried. All others do."""
    backbone, training, asked = model.base_model, model.training, list[bool]()
    if model is backbone or not model.can_generate():
        return True
    seen = backbone.register_forward_pre_hook(lambda *_: asked.append(True))
    with torch.no_grad():
        model.eval()(input_ids=torch.ones(1, 1, dtype=torch.long, device=model.device))
    model.train(training)
    seen.remove()
    return bool(asked)


def _kept(backbone: Any, tokens: torch.Tensor) -> torch.Tensor:
    """What each layer's attention keeps of some tokens: with it a prefix learns sooner (Li and Liang 2021, 7.4)."""
    kind = backbone.config.model_type
    if "past_key_values" not in inspect.signature(backbone.forward).parameters:
        raise ValueError(f"prefix does not know how to reach the layers of a {kind}, which has no cache")
    if any(DynamicCache(config=backbone.config).is_sliding):
        raise ValueError(f"some layers of this {kind} look back only so far, and would lose sight of a prefix")
    cache, training = DynamicCache(), backbone.training
    with torch.no_grad():
        backbone.eval()(input_ids=tokens[None], past_key_values=cache)
    backbone.train(training)
    return torch.stack([torch.stack([layer.keys[0], layer.values[0]]) for layer in cache.layers])


def put_back(model: Any, saved: dict[str, Any]) -> None:
    """Put virtual tokens of a kind and shape before a model, and what they are into its config."""
    tokens = VirtualTokens(**saved)
    backbone = model.base_model
    backbone.add_module(NAME, tokens.to(backbone.device))
    backbone.register_forward_pre_hook(tokens.before, with_kwargs=True)
    backbone.register_forward_hook(tokens.after, with_kwargs=True)
    setattr(model.config, KEY, saved)


def length(config: Any) -> int:
    """How many virtual tokens stand before every text of a model with this config."""
    return int(getattr(config, KEY)["shape"][-2]) if getattr(config, KEY, None) else 0


def require_none(config: Any) -> None:
    """Raise ValueError for a config that names some: packed documents of a pretraining would not all see them."""
    if length(config):
        raise ValueError("it has virtual tokens before its texts; take the model that it was tuned from")
