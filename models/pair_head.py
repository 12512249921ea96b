"""A classifier of pairs of texts over any encoder: it compares what the two texts mean, read together."""

from __future__ import annotations

from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily
from torch import nn  # noqa: TID253
from transformers import AutoModel, PreTrainedModel  # noqa: TID253
from transformers.modeling_outputs import SequenceClassifierOutput  # noqa: TID253


class Comparison(nn.Module):
    """Logits from the means u and v of two texts: a layer on [u; v; |u - v|; u * v; cosine], plus the cosine itself.

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
    """An encoder that reads both texts at once, the mean state of each, and a head that compares the two means.

    Mean pooling is how sentence encoders were trained, so the comparison means something from the first step on; a
    head on the first token has to be learned from nothing. Any encoder with a separator token serves: config.json and
    model.safetensors say all, and no code of the model folder is run.
    """

    base_model_prefix = "encoder"
    _supports_sdpa = True

    def __init__(self, config: Any) -> None:
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
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **inputs: torch.Tensor
    ) -> SequenceClassifierOutput:
        """Logits of shape (pairs, labels) in fp32, from tokens of shape (pairs, length)."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask, **inputs).last_hidden_state.float()
        ends = (input_ids == self.config.sep_token_id).long()
        second = ((ends.cumsum(1) - ends) > 0).long() * attention_mask
        return SequenceClassifierOutput(logits=self.head(_mean(states, attention_mask - second), _mean(states, second)))


def _mean(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over the masked places: (pairs, length, width) to (pairs, width)."""
    weights = mask.to(states.dtype)[..., None]
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1)


def without_pooler(encoder: Any) -> Any:
    """The encoder without the layer on its first token that some kinds have; nothing here uses it."""
    if hasattr(encoder, "pooler"):
        encoder.pooler = None
    return encoder
