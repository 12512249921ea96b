"""A classifier of texts over any encoder or decoder: one layer on the state that stands for the text."""

from __future__ import annotations

from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily
from torch import nn  # noqa: TID253
from transformers import AutoModel, PreTrainedModel  # noqa: TID253
from transformers.modeling_outputs import SequenceClassifierOutput  # noqa: TID253

from models.pair_head import own_attention, without_pooler
from models.text_state import text_state


class TextClassifier(PreTrainedModel):  # type: ignore[misc]
    """An encoder and the mean of its states, or a decoder and its last state, and a linear layer.

    The mean and not the first token: sentence encoders were pretrained to say what a text means by it, and what
    continued masked pretraining leaves behind has no trained first token either. Of a decoder the last token alone has
    seen the whole text (Radford et al. 2018).
    """

    base_model_prefix = "encoder"
    _supports_sdpa = True

    def __init__(self, config: Any) -> None:
        with own_attention(config):
            super().__init__(config)
        self.encoder = without_pooler(AutoModel.from_config(config))
        self.head = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    @classmethod
    def over(cls, encoder: Any) -> TextClassifier:
        """A classifier with a new head over an encoder or a decoder whose config has the labels."""
        model = cls(encoder.config)
        model.encoder = without_pooler(encoder)
        return model

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: torch.Tensor
    ) -> SequenceClassifierOutput:
        """Logits of shape (texts, labels) in fp32, from tokens of shape (texts, length)."""
        state = text_state(self.encoder, attention_mask, input_ids=input_ids)
        return SequenceClassifierOutput(logits=self.head(state).float())
