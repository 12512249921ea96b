"""Dialogs in the form that a model learned them in: laid out by the chat template of its tokenizer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from models.prompt import Prompt, Said

# Templates may write the date. With the real one a prompt would be another tomorrow than the one that was learned.
SAME_DAY = "{% macro strftime_now(form) %}1 January 2026{% endmacro %}"
# Stands for what was said, by its number, while a template is filled in: characters of no script.
PLACE = "\ue000{}\ue001"
PLACES = re.compile("\ue000(\\d+)\ue001")
# Tokens, and whose words they stand for by their number; None for the template's own.
Piece = tuple[int | None, list[int]]


def is_laid_out(tokenizer: Any, prompt: Prompt) -> bool:
    """Whether a prompt is a dialog, and the tokenizer has a template for dialogs."""
    return bool(prompt.said and tokenizer.chat_template)


def require_usable(tokenizer: Any) -> None:
    """Raise ValueError for a chat template that takes no turns of user and assistant, or loses what was asked."""
    turns = dict(enumerate((Said("user", ""), Said("assistant", ""), Said("user", ""))))
    cure = "take it out of the model's folder, and dialogs are read as plain lines"
    if tokenizer.chat_template and PLACE.format(2) not in (laid := _laid_out(tokenizer, turns)):
        raise ValueError(f"its chat template makes {laid!r} of a dialog, without what the user asked; {cure}")


def chat_tokens(tokenizer: Any, prompt: Prompt, room: int) -> list[int]:
    """Tokens of a dialog up to where its answer begins, `room` of them at most; what is lost is said at `Prompt`.

    The template's own words may be special tokens; what was said is letters, whatever it spells. Raises ValueError for
    a dialog that the template refuses.
    """
    said = dict(enumerate(prompt.said))
    whole = _at_once(tokenizer, said)
    if whole and len(whole) <= room:
        return whole
    pieces = _pieces(tokenizer, said)
    while _length(pieces) > room and (turns := _turns(said)):
        del said[turns[0]]
        pieces = _pieces(tokenizer, said)
    return [*chain.from_iterable(tokens for _, tokens in _cut(pieces, said, _length(pieces) - room))][-room:]


def _at_once(tokenizer: Any, said: Mapping[int, Said]) -> list[int] | None:
    """The dialog tokenised as one text, as the model learned such; None where what was said spells special tokens."""
    special = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
    if any(token in text for token in special for _, text in said.values()):
        return None
    text = PLACES.sub(lambda place: said[int(place[1])].text, _laid_out(tokenizer, said))
    return _tokens(tokenizer, text, is_letters=False)


def _pieces(tokenizer: Any, said: Mapping[int, Said]) -> list[Piece]:
    own, *others = PLACES.split(_laid_out(tokenizer, said))
    pieces: list[Piece] = [(None, _tokens(tokenizer, own, is_letters=False))]
    for place, own in zip(others[::2], others[1::2], strict=True):
        pieces.append((int(place), _tokens(tokenizer, said[int(place)].text, is_letters=True)))
        pieces.append((None, _tokens(tokenizer, own, is_letters=False)))
    return pieces


def _tokens(tokenizer: Any, text: str, *, is_letters: bool) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False, split_special_tokens=is_letters)["input_ids"])


def _length(pieces: Sequence[Piece]) -> int:
    return sum(len(tokens) for _, tokens in pieces)


def _turns(said: Mapping[int, Said]) -> list[int]:
    """The turns before the question, the oldest first."""
    return [number for number, (role, _) in said.items() if role != "system"][:-1]


def _cut(pieces: list[Piece], said: Mapping[int, Said], over: int) -> list[Piece]:
    """The pieces without `over` tokens: the last of the system's words, then the first of the question."""
    system = next((number for number, (role, _) in said.items() if role == "system"), None)
    for number, tokens in pieces:
        if number is not None and number == system and over > 0:
            cut = min(over, len(tokens))
            del tokens[len(tokens) - cut :]
            over -= cut
    for number, tokens in pieces:
        if number == max(said) and over > 0:
            del tokens[:over]
    return pieces


def _laid_out(tokenizer: Any, said: Mapping[int, Said]) -> str:
    """What the template makes of a dialog, with places for what was said. Raises ValueError where it refuses it."""
    from jinja2 import TemplateError

    placed = [Said(role, PLACE.format(number)) for number, (role, _) in said.items()]
    try:
        return _filled(tokenizer, placed)
    except TemplateError:
        pass
    try:
        return _filled(tokenizer, _alternating(placed))
    except TemplateError as error:
        raise ValueError(f"the model's chat template takes no such dialog: {error}") from None


def _alternating(messages: Sequence[Said]) -> list[Said]:
    """For templates that know no system, or turns in strict order alone: what stands before a user's turn joins it."""
    found: list[Said] = []
    for role, text in messages:
        by = role if found and role != "system" else "user"
        if found and found[-1].role == by:
            found[-1] = Said(by, f"{found[-1].text}\n\n{text}")
        else:
            found.append(Said(by, text))
    return found


def _filled(tokenizer: Any, messages: Sequence[Said]) -> str:
    return str(
        tokenizer.apply_chat_template(
            [{"role": role, "content": text} for role, text in messages],
            chat_template=SAME_DAY + tokenizer.get_chat_template(),
            add_generation_prompt=True,
            tokenize=False,
            enable_thinking=False,  # of models that otherwise begin with thoughts
        )
    )
