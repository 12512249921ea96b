"""Models that write texts, decoders and encoder-decoders, from folders; and the kind that each objective trains."""

from __future__ import annotations

from pathlib import Path

from models.backbone import Pair, config_of, load_causal, load_masked, load_tokenizer, load_whole


def load_encoder_decoder(folder: Path) -> Pair:
    """A model that reads with an encoder and writes with a decoder, and its tokenizer, in eval mode.

    Raises ValueError when a weight is missing, and for a kind that does not say how its decoder starts.
    """
    from transformers import AutoModelForSeq2SeqLM

    model = load_whole(AutoModelForSeq2SeqLM, folder)
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
