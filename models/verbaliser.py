"""Prompts that ask for a label by its word: a tokenizer that writes them around texts, and the words as tokens.

A template such as "{text} All in all, it was {mask}." is a pattern, and the words that labels have are its verbaliser
(Schick and Schuetze 2021, "Exploiting Cloze Questions"). The tokenizer itself lays the template around what it reads:
a text that is too long is cut, the template never, and whoever has the tokenizer asks the very same question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Formatter
from typing import Any

# The key of config.json: {"objective": "masked" or "causal", "words": the tokens of each label's word, in order}.
VERBALISER = "verbaliser"
MASK = "mask"
# What the tokenizer marks with ones: the places of the answer. No encoder is told.
MARKS = "token_type_ids"
# Fewer would leave no text beside the template.
LEAST_TEXT = 8

Tokens = list[int]


def fields(template: str) -> list[tuple[str, str | None]]:
    """A template's literal parts, each with the name in braces that follows it.

    Raises ValueError for a lone brace, and for a format within the braces.
    """
    found = list(Formatter().parse(template))
    if odd := next((name for _, name, form, conversion in found if form or conversion), None):
        raise ValueError(f"only a name may stand in braces, and {odd!r} has a format")
    return [(literal, name) for literal, name, *_ in found]


def spoken(tokenizer: Any, template: str, words: Mapping[str, str]) -> list[Tokens]:
    """The tokens of each label's word as it stands in the template, in the order of the sorted labels.

    Raises ValueError for a word that the tokenizer cannot write, and for two that it writes alike.
    """
    before = next(literal for literal, name in fields(template) if name == MASK)
    lead = " " if before.endswith(" ") and _keeps_spaces(tokenizer) else ""
    found = {label: _tokens(tokenizer, lead + words[label]) for label in sorted(words)}
    for label, tokens in found.items():
        if not tokens or tokenizer.unk_token_id in tokens:
            raise ValueError(f"the model's tokenizer cannot write {words[label]!r}, the word of {label!r}")
        if twin := next((other for other in found if other < label and found[other] == tokens), None):
            raise ValueError(f"to the model's tokenizer {words[twin]!r} and {words[label]!r} are the same word")
    return list(found.values())


def asking(tokenizer: Any, template: str, texts: Sequence[str], masks: int, max_length: int) -> Any:
    """A tokenizer that lays the template around one text or two, and marks `masks` places for the answer.

    With no `masks` the prompt ends where the answer begins, for a model that goes on from there. `texts` are the names
    that the texts have in the template. Raises ValueError when `max_length` tokens leave no room for a text.
    """
    from tokenizers import Tokenizer, normalizers, processors
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    parts, spaced = _parts(tokenizer, template, texts, masks)
    taken = sum(len(ids) for _, ids in parts)
    if taken + LEAST_TEXT * len(texts) > max_length:
        raise ValueError(f"the template takes {taken} of {max_length} tokens, and leaves too few for the text")
    if spaced:
        # Before all else: what is done to blanks, as SentencePiece writes them as a letter, is done to this one too.
        own = [backend.normalizer] if backend.normalizer else []
        backend.normalizer = normalizers.Sequence([normalizers.Prepend(" "), *own])
    pieces = [f"{name}:{int(name == MASK)}" for name, _ in parts]
    single, pair = (["$A:0"], pieces) if len(texts) == 2 else (pieces, [*pieces, "$B:0"])
    special = [{"id": n, "ids": ids, "tokens": tokenizer.convert_ids_to_tokens(ids)} for n, ids in parts if ids]
    backend.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=special)
    names = ["input_ids", *([MARKS] if masks else []), "attention_mask"]
    kept = {"pad_token": tokenizer.eos_token} | tokenizer.special_tokens_map
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        model_input_names=names,
        model_max_length=max_length,
        padding_side="right",
        split_special_tokens=True,
        **kept,
    )


def _parts(tokenizer: Any, template: str, texts: Sequence[str], masks: int) -> tuple[list[tuple[str, Tokens]], bool]:
    """The pieces of a prompt by name, a text's without tokens, and whether a space belongs to the texts after it.

    Byte-level tokenizers write a word and the space before it as one token; a prompt is to read like any other text.
    """
    found = fields(template)
    # A text that the template begins with may be given a space, for one that follows something else.
    before = [literal for n, (literal, name) in enumerate(found) if name in texts and (n or literal)]
    spaced = _keeps_spaces(tokenizer) and bool(before) and all(literal.endswith(" ") for literal in before)
    begin, end = frame(tokenizer)
    parts: list[tuple[str, Tokens]] = [("begin", begin)]
    for number, (literal, name) in enumerate(found):
        is_spaced = name == MASK or spaced or not _keeps_spaces(tokenizer)
        text = literal.removesuffix(" ") if name and is_spaced else literal
        parts.append((f"part{number}", _tokens(tokenizer, text)))
        if name == MASK:
            parts.append((MASK, [tokenizer.mask_token_id] * masks))
        elif name:
            parts.append(("$" + "AB"[texts.index(name)], []))
    if masks:
        parts.append(("end", end))
    return [(name, ids) for name, ids in parts if ids or name.startswith("$")], spaced


def frame(tokenizer: Any) -> tuple[Tokens, Tokens]:
    """What stands before and after a text: a start and the end (BERT, BART), the end alone (T5), a language (mBART)."""
    framed, bare = tokenizer("a")["input_ids"], _tokens(tokenizer, "a")
    start = next(n for n in range(len(framed)) if framed[n : n + len(bare)] == bare)
    return framed[:start], framed[start + len(bare) :]


def _keeps_spaces(tokenizer: Any) -> bool:
    """Whether a word after a space is another token than the same word at the start of a text."""
    first, spaced = _tokens(tokenizer, "a"), _tokens(tokenizer, " a")
    return first != spaced and _tokens(tokenizer, "a a") == first + spaced


def _tokens(tokenizer: Any, text: str) -> Tokens:
    tokens: Tokens = tokenizer(text, add_special_tokens=False)["input_ids"]
    return tokens
