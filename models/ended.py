"""A decoder's tokenizer as its classifiers have it: each text ends with the token that ends a text in pretraining."""

from __future__ import annotations

from typing import Any

from models.verbaliser import frame


def ended(tokenizer: Any, max_length: int) -> Any:
    """A tokenizer that ends a text, and both of a pair; a text that is too long is cut, its end never.

    No text is without a token then, and the end of the first one parts a pair. Raises ValueError for a tokenizer that
    has no token to end a text with.
    """
    if tokenizer.eos_token is None:
        raise ValueError("its tokenizer names no token for the end of a text; take another decoder")
    return _framed(tokenizer, "end", max_length, sep_token=tokenizer.eos_token)


def unended(tokenizer: Any) -> Any:
    """The tokenizer of a classifier as a model that writes needs it: what it asks with does not end."""
    return _framed(tokenizer, None, tokenizer.model_max_length)


def _framed(tokenizer: Any, end: str | None, max_length: int, **special: str) -> Any:
    """The same tokens, padded on the right, with what stands before every text and, if any, an `end` after it."""
    from tokenizers import Tokenizer, processors
    from transformers import PreTrainedTokenizerFast

    begin = frame(tokenizer)[0]
    ids = {"begin": begin, "end": [tokenizer.eos_token_id]}
    named = [
        {"id": n, "ids": found, "tokens": tokenizer.convert_ids_to_tokens(found)} for n, found in ids.items() if found
    ]
    before, after = ["begin"] if begin else [], [end] if end else []
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.post_processor = processors.TemplateProcessing(
        single=[*before, "$A", *after], pair=[*before, "$A", *after, "$B:0", *after], special_tokens=named
    )
    kept = {"pad_token": tokenizer.eos_token} | tokenizer.special_tokens_map | special
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=max_length,
        padding_side="right",
        split_special_tokens=True,
        **kept,
    )
