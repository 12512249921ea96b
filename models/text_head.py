"""A classifier of texts over any encoder: one layer on the mean of its states."""

from __future__ import annotations

from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily
from torch import nn  # noqa: TID253
from transformers import AutoModel, PreTrainedModel  # noqa: TID253
from transformers.modeling_outputs import SequenceClassifierOutput  # noqa: TID253

from models.pair_head import without_pooler


class TextClassifier(PreTrainedModel):  # type: ignore[misc]
    """An encoder, the mean of its states, and a linear layer.

    The mean and not the first token: sentence encoders were pretrained to say what a text means by it, and what
    continued masked pretraining leaves behind has no trained first token either.
    """

    base_model_prefix = "encoder"
    _supports_sdpa = True

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.encoder = without_pooler(AutoModel.from_config(config))
        self.head = nn.Linear(config.hidden_size, config.num_labels)
        self.post_init()

    @classmethod
    def over(cls, encoder: Any) -> TextClassifier:
        """A classifier with a new head over an encoder whose config has the labels."""
        model = cls(encoder.config)
        model.encoder = without_pooler(encoder)
        return model

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **_: torch.Tensor
    ) -> SequenceClassifierOutput:
        """Logits of shape (texts, labels) in fp32, from tokens of shape (texts, length)."""
        states = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state.float()
        mask = attention_mask[..., None]
        return SequenceClassifierOutput(logits=self.head((states * mask).sum(1) / mask.sum(1)).float())
