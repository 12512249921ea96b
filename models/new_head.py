"""Backbones under a new language-model head: what a classifier learned of its task stays in its backbone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily

from models.backbone import load_classifier
from models.inserted import insert


def under_a_new_head(folder: Path, kind: Any) -> Any:
    """The encoder or decoder of a classifier in a language model of a transformers Auto class, in eval mode.

    Its head is new, or is the word embeddings, where the config ties them.
    """
    classifier, _ = load_classifier(folder)
    model = kind.from_config(classifier.config, dtype=torch.float32)
    insert(model, classifier.config)
    left = model.base_model.load_state_dict(classifier.encoder.state_dict(), strict=False)
    if left.missing_keys or left.unexpected_keys:
        raise ValueError(f"{folder}: its backbone lacks {[*left.missing_keys, *left.unexpected_keys][0]}")
    return model.eval()


def freeze_backbone(model: Any) -> None:
    """Let only a language-model head learn; the word embeddings that its output is tied to stay as they are."""
    for parameter in model.base_model.parameters():
        parameter.requires_grad = False
