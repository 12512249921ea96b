"""Tokenizers from model folders: fast ones, that fill up, and to which a text is letters and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

# A log-probability below that of any spelling by letters.
NEVER = -1e4
# Kana, Han and full-width marks, beside which no blank is written. Hangul is: Korean has blanks between its words.
FULL_WIDTH = "\u3000-\u30ff\u3400-\u9fff\uff01-\uff65"
BLANKS = re.compile(rf"(?<=[{FULL_WIDTH}]) +| +(?=[{FULL_WIDTH}])")


def load_tokenizer(folder: Path) -> Any:
    """The fast tokenizer of a model folder; no code of the folder is run. Raises ValueError where there is none.

    One without a token to fill up with, as GPT-2's, fills up with the end of a text: it is neither read nor learned.
    What spells a special token in a text, as `</s>` of HTML does, is letters: it neither ends nor parts texts.
    """
    tokenizer = _class(folder).from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if not tokenizer.is_fast:
        cure = "take a model whose tokenizer is a fast one, as those of T5, mT5, BART and mBART are"
        raise ValueError(
            f"{folder}: transformers has no fast tokenizer in place of its {type(tokenizer).__name__}; {cure}"
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    tokenizer.split_special_tokens = True
    if _kind(tokenizer) == "Unigram":
        _never_spell_special(tokenizer)
    return tokenizer


def _class(folder: Path) -> Any:
    """The class that tokenizer_config.json names, if it has no steps of its own; else what transformers finds.

    By itself transformers gives a Qwen2 that of its kind, which leaves out the steps that tokenizer.json has beside.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    config = folder / "tokenizer_config.json"
    named = json.loads(config.read_text(encoding="utf-8")).get("tokenizer_class") if config.is_file() else None
    is_plain = named == PreTrainedTokenizerFast.__name__ and (folder / "tokenizer.json").is_file()
    return PreTrainedTokenizerFast if is_plain else AutoTokenizer


def save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Write a tokenizer's files, its chat template into tokenizer_config.json: a model folder holds no templates."""
    tokenizer.save_pretrained(folder, save_jinja_files=False)


def decoded(tokenizer: Any, tokens: Any, **how: Any) -> str:
    """The text that tokens stand for, without the special ones.

    WordPiece does not know where blanks stood, and puts one between any two words, each Chinese character being one.
    """
    text: str = tokenizer.decode(tokens, skip_special_tokens=True, **how)
    return BLANKS.sub("", text) if _kind(tokenizer) == "WordPiece" else text


def _kind(tokenizer: Any) -> str:
    return type(tokenizer.backend_tokenizer.model).__name__


def _never_spell_special(tokenizer: Any) -> None:
    """Have no text end in special tokens: Unigram holds them as its likeliest pieces, beside their own list.

    The piece for what no piece spells is left: it ends nothing, and Pegasus finds its own by the score.
    """
    from tokenizers import Tokenizer

    special = set(tokenizer.all_special_tokens) - {tokenizer.unk_token}
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    state["model"]["vocab"] = [[piece, NEVER if piece in special else p] for piece, p in state["model"]["vocab"]]
    tokenizer._tokenizer = Tokenizer.from_str(json.dumps(state))  # noqa: SLF001 - it cannot be set otherwise
