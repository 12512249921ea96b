"""A classifier of pairs of texts over any encoder or decoder: it compares what the two texts mean."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily
from torch import nn  # noqa: TID253
from transformers import AutoModel, PreTrainedModel  # noqa: TID253
from transformers.modeling_outputs import SequenceClassifierOutput  # noqa: TID253

from models.text_state import is_last, starts, text_state


class Comparison(nn.Module):
    """Logits from the states u and v of two texts: a layer on [u; v; |u - v|; u * v; cosine], plus the cosine itself.

    The features are those of Conneau et al. 2017. The scaled cosine goes straight to the last label, so that the first
    step already knows what the encoder's pretraining knows.
    """

    def __init__(self, width: int, labels: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(4 * width + 1, width)
        self.out = nn.Linear(width, labels)
        self.scale = nn.Parameter(torch.tensor(10.0))
        self.shift = nn.Parameter(torch.tensor(-5.0))

    def forward(self, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """Tensors of shape (pairs, width) to logits of shape (pairs, labels)."""
        cosine = nn.functional.cosine_similarity(u, v)[:, None]
        features = torch.cat([u, v, (u - v).abs(), u * v, cosine], dim=1)
        logits = self.out(torch.tanh(self.hidden(features))).float()
        return torch.cat([logits[:, :-1], logits[:, -1:] + self.scale * cosine + self.shift], dim=1)


class PairClassifier(PreTrainedModel):  # type: ignore[misc]
    """An encoder that reads each text by itself, the mean of its states, and a head that compares two of them.

    This is how sentence encoders were pretrained (Reimers and Gurevych 2019), so that the comparison means something
    from the first step on: on the example's data it learns from 4,000 pairs what a cross-encoder does not learn from
    twice as many. Each distinct text of a batch is read once. Any encoder with a separator token serves, and any
    decoder, whose last state stands for a text: config.json and model.safetensors say all, and no code of the model
    folder is run.
    """

    base_model_prefix = "encoder"
    _supports_sdpa = True

    def __init__(self, config: Any) -> None:
        with own_attention(config):
            super().__init__(config)
        self.encoder = without_pooler(AutoModel.from_config(config))
        self.head = Comparison(config.hidden_size, config.num_labels)
        self.post_init()

    @classmethod
    def over(cls, encoder: Any) -> PairClassifier:
        """A classifier with a new head over an encoder whose config has the labels and `sep_token_id`."""
        model = cls(encoder.config)
        model.encoder = without_pooler(encoder)
        return model

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: torch.Tensor
    ) -> SequenceClassifierOutput:
        """Logits of shape (pairs, labels) in fp32, from joined pairs of shape (pairs, length)."""
        states = (self._states(texts) for texts in separated(input_ids, attention_mask, self.config))
        return SequenceClassifierOutput(logits=self.head(*states))

    def _states(self, texts: torch.Tensor) -> torch.Tensor:
        """The state that stands for each text, shape (texts, width)."""
        distinct, place = torch.unique(texts, dim=0, return_inverse=True)
        mask = (distinct != NOTHING).long()
        return text_state(self.encoder, mask, input_ids=distinct.clamp(min=0))[place]


# Stands where a text has no token; a padding token of the tokenizer could be part of a text.
NOTHING = -1


def separated(tokens: torch.Tensor, mask: torch.Tensor, config: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """First and second texts of joined pairs, each framed as a text by itself; filled up with NOTHING.

    `config` says which token parts them, and how many stand before every text. RoBERTa has two separators between them,
    of which the second belongs to neither text; to a decoder it is the end of a second text without a word.
    """
    tokens = tokens.masked_fill(mask == 0, NOTHING)
    ends = (tokens == config.sep_token_id).long()
    ends[:, : starts(config)] = 0  # to some decoders it is the token before every text as well
    is_first = (ends.cumsum(1) - ends) == 0
    size = is_first.sum(1, keepdim=True)
    first = tokens.masked_fill(~is_first, NOTHING)[:, : int(size.max())]
    follows = tokens.gather(1, size.clamp(max=tokens.shape[1] - 1))
    between = size + ((follows == config.sep_token_id) & (not is_last(config)))
    places = between + torch.arange(tokens.shape[1] - int(size.min()), device=tokens.device)
    rest = torch.nn.functional.pad(tokens, (0, tokens.shape[1]), value=NOTHING).gather(1, places)
    return first, torch.cat([tokens[:, : starts(config)], rest[:, : int((rest != NOTHING).sum(1).max())]], dim=1)


@contextmanager
def own_attention(config: Any) -> Iterator[None]:
    """Within the block a config keeps the attention that it asks for: ours is over encoders that have no fast one."""
    asked = config._attn_implementation  # noqa: SLF001 - it cannot be asked otherwise
    try:
        yield
    finally:
        config._attn_implementation = asked  # noqa: SLF001


def without_pooler(encoder: Any) -> Any:
    """The encoder without the layer on its first token that some kinds have; nothing here uses it."""
    if hasattr(encoder, "pooler"):
        encoder.pooler = None
    return encoder
