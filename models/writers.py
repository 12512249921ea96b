"""Models that write texts, decoders and encoder-decoders, from folders; and the kind that each objective trains."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily

from models.backbone import (
    Pair,
    config_of,
    load_causal,
    load_encoder,
    load_masked,
    load_whole,
    masked_from_encoder,
    own_classifier,
)
from models.pair_head import without_pooler
from models.text_state import looks_back
from models.tokenizer import load_tokenizer


def load_encoder_decoder(folder: Path) -> Pair:
    """A model that reads with an encoder and writes with a decoder, and its tokenizer, in eval mode.

    Raises ValueError when a weight is missing, and for a kind that does not say how its decoder starts.
    """
    from transformers import AutoModelForSeq2SeqLM

    if not (config := config_of(folder)).is_encoder_decoder:
        cure = "an encoder becomes one with base.warm_start"
        raise ValueError(f"{folder} holds a {config.model_type}, which is no encoder-decoder; {cure}")
    model = load_whole(AutoModelForSeq2SeqLM, folder, may_lack=("encoder.pooler.",))
    if hasattr(model, "encoder"):
        without_pooler(model.encoder)  # a head of BERT's that nothing here uses
    if not hasattr(model, "prepare_decoder_input_ids_from_labels"):
        raise ValueError(f"{folder}: a {model.config.model_type} does not say how its decoder starts; take T5 or BART")
    return model, load_tokenizer(folder)


def load_writer(folder: Path) -> Pair:
    """A model that writes texts, a decoder or an encoder-decoder, and its tokenizer, in eval mode."""
    return (load_encoder_decoder if config_of(folder).is_encoder_decoder else load_causal)(folder)


def load_language_model(folder: Path, objective: str) -> Pair:
    """The kind of model that an objective trains, and its tokenizer. Raises ValueError when a weight is missing."""
    kinds = {"masked": load_masked, "causal": load_causal, "denoising": load_encoder_decoder}
    return kinds[objective](folder)


def decoder_from(folder: Path, seed: int) -> tuple[Any, Any, bool]:
    """A decoder, its tokenizer, and whether its head is new, because the folder has a classifier's instead.

    Raises ValueError for an encoder, which would see what it is asked for.
    """
    if own_classifier(folder):
        return _decoder_of_classifier(folder, seed)
    _require_decoder(load_encoder(folder)[0], folder)
    return *load_causal(folder), False


def _decoder_of_classifier(folder: Path, seed: int) -> tuple[Any, Any, bool]:
    from transformers import AutoModelForCausalLM

    from models.ended import unended
    from models.new_head import under_a_new_head

    torch.manual_seed(seed)
    model = under_a_new_head(folder, AutoModelForCausalLM)
    _require_decoder(model.base_model, folder)
    backbone = {id(parameter) for parameter in model.base_model.parameters()}
    is_new = any(id(parameter) not in backbone for parameter in model.parameters())
    return model, unended(load_tokenizer(folder)), is_new


def _require_decoder(model: Any, folder: Path) -> None:
    if not looks_back(model):
        kind = model.config.model_type
        raise ValueError(
            f"{folder} holds a {kind} that reads both ways, an encoder; take a decoder, or set pretrain.objective to "
            "'masked' where the task lets you"
        )


def warm_started(folder: Path, seed: int) -> Pair:
    """An encoder-decoder both halves of which begin as one encoder, and its tokenizer (Rothe et al. 2020, BERT2BERT).

    What the decoder attends to the encoder with is new, and its output layer too where the encoder had none. Raises
    ValueError for a kind of encoder that cannot decode.
    """
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, AutoModelForCausalLM, EncoderDecoderModel

    encoder, tokenizer, _ = masked_from_encoder(folder, seed)
    config = copy.deepcopy(encoder.config)
    if type(config) not in MODEL_FOR_CAUSAL_LM_MAPPING:
        raise ValueError(f"{folder}: a {config.model_type} does not become a decoder; take a BERT or a RoBERTa")
    config.is_decoder = config.add_cross_attention = True
    decoder = AutoModelForCausalLM.from_config(config)
    left = decoder.load_state_dict(encoder.state_dict(), strict=False)
    if other := [*left.unexpected_keys, *(name for name in left.missing_keys if "crossattention" not in name)]:
        raise ValueError(f"{folder}: a {config.model_type} does not become a decoder, for {other[0]} has no place")
    model = EncoderDecoderModel(encoder=encoder.base_model, decoder=decoder)
    for told in (model.config, model.generation_config):
        told.decoder_start_token_id, told.eos_token_id = tokenizer.cls_token_id, tokenizer.sep_token_id
        told.pad_token_id = tokenizer.pad_token_id
    return model.eval(), tokenizer
