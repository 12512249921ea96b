"""Dialogs in the form that a model learned them in: laid out by the chat template of its tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from functools import lru_cache
from typing import Any

from models.prompt import Prompt, Said

# Templates may write the date. With the real one a prompt would be another tomorrow than the one that was learned.
DAY = {"%d": "01", "%b": "Jan", "%B": "January", "%m": "01", "%Y": "2026", "%y": "26", "%A": "Thursday"}
REPLACED = "".join(f" | replace('{form}', '{day}')" for form, day in DAY.items())
SAME_DAY = f"{{% macro strftime_now(form) %}}{{{{ form{REPLACED} }}}}{{% endmacro %}}\n"
TURNS = (Said("system", "a"), Said("user", "b"), Said("assistant", "c"), Said("user", "d"))


def is_laid_out(tokenizer: Any, prompt: Prompt) -> bool:
    """Whether a prompt is a dialog, and the tokenizer has a template for dialogs."""
    return bool(prompt.said and tokenizer.chat_template)


def require_usable(tokenizer: Any) -> None:
    """Raise ValueError for a chat template that cannot lay out a dialog."""
    if tokenizer.chat_template:
        _accepted(tokenizer, TURNS)
        _accepted(tokenizer, TURNS[1:])


def chat_tokens(tokenizer: Any, prompt: Prompt, room: int) -> list[int]:
    """Tokens of a dialog up to where its answer begins, `room` of them at most; what is lost is said at `Prompt`.

    What was said is letters, whatever it spells, and the template's own words may be special tokens. Raises ValueError
    for a dialog that the template refuses.
    """
    said: list[Said] | None = list(prompt.said)
    while said:
        tokens = _tokens(tokenizer, _accepted(tokenizer, said))
        if len(tokens) <= room:
            return tokens
        said = _shorter(tokenizer, said, len(tokens) - room)
    return tokens[-room:]


def answer_tokens(tokenizer: Any, answer: str) -> list[int]:
    """Tokens of an answer as they follow a template: some tokenizers begin every text with a space of their own."""
    line, whole = (tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("\n", f"\n{answer}"))
    if whole[: len(line)] == line:
        return list(whole[len(line) :])
    return list(tokenizer(answer, add_special_tokens=False)["input_ids"])


def _tokens(tokenizer: Any, said: Sequence[Said]) -> list[int]:
    from jinja2 import TemplateError

    talking = _talking(tokenizer)
    try:
        how = _how(tokenizer)
        return list(
            talking.apply_chat_template(_messages(said), sanitize_control_tokens=True, return_dict=False, **how)
        )
    except TemplateError as error:
        raise ValueError(f"the model's chat template refuses what is said in a dialog: {error}") from None


def _how(tokenizer: Any) -> dict[str, Any]:
    # The last is for models that otherwise begin with thoughts.
    template = SAME_DAY + tokenizer.get_chat_template()
    return {"chat_template": template, "add_generation_prompt": True, "enable_thinking": False}


def _messages(said: Sequence[Said]) -> list[dict[str, str]]:
    return [{"role": role, "content": text} for role, text in said]


@lru_cache(maxsize=4)
def _talking(tokenizer: Any) -> Any:
    """The tokenizer as transformers lays dialogs out with it: ours takes what spells a special token for letters.

    Whatever token a template may write is none that can be said, called special or not, as DeepSeek's are not.
    """
    talking = deepcopy(tokenizer)
    talking.split_special_tokens = False
    added = (token.content for token in tokenizer.added_tokens_decoder.values())
    talking.chat_control_tokens = [token for token in added if not token.isspace()]
    return talking


def _accepted(tokenizer: Any, said: Sequence[Said]) -> Sequence[Said]:
    """A dialog in the first form that the template takes, and loses nothing of. Raises ValueError where it takes none.

    Many know no system, or turns in strict order alone; some leave out what they do not know.
    """
    from jinja2 import TemplateError

    why: object = "it leaves out some of what is said"
    for form in (_as_said, _in_turns, _without_system):
        marked = form([Said(role, f"mark{number}of") for number, (role, _) in enumerate(said)])
        try:
            laid = tokenizer.apply_chat_template(_messages(marked), tokenize=False, **_how(tokenizer))
        except (TemplateError, TypeError) as error:
            why = error
            continue
        if all(f"mark{number}of" in laid for number in range(len(said))):
            return form(said)
    cure = "take it out of the model's folder, and dialogs are read as plain lines"
    raise ValueError(f"its chat template lays out no dialog of {', '.join(role for role, _ in said)}: {why}; {cure}")


def _as_said(said: Sequence[Said]) -> list[Said]:
    return list(said)


def _in_turns(said: Sequence[Said]) -> list[Said]:
    """User and assistant in turns, the user first; what the assistant said before stands with the first question."""
    found: list[Said] = []
    for role, text in said:
        by = role if role == "system" or any(one.role == "user" for one in found) else "user"
        if found and found[-1].role == by:
            found[-1] = Said(by, f"{found[-1].text}\n\n{text}")
        else:
            found.append(Said(by, text))
    return found


def _without_system(said: Sequence[Said]) -> list[Said]:
    return _in_turns([Said("user" if role == "system" else role, text) for role, text in said])


def _shorter(tokenizer: Any, said: Sequence[Said], over: int) -> list[Said] | None:
    """A dialog of fewer tokens, `over` of them where so many can be cut; None where nothing is left to be cut."""
    system, turns = [one for one in said if one.role == "system"], [one for one in said if one.role != "system"]
    if len(turns) > 1:
        # A question goes with its answers, which would answer nothing.
        questions = (number for number, (role, _) in enumerate(turns) if role == "user" and number)
        return [*system, *turns[next(questions) :]]
    (question,) = turns
    if system:
        kept = _cut(tokenizer, system[0].text, over, at_end=True)
        return [*([Said("system", kept)] if kept else []), question]
    kept = _cut(tokenizer, question.text, over, at_end=False)
    return [Said("user", kept)] if kept else None


def _cut(tokenizer: Any, text: str, over: int, *, at_end: bool) -> str:
    """A text without `over` of its tokens, and one letter less at least."""
    places = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    if over >= len(places):
        return ""
    return text[: min(places[-over][0], len(text) - 1)] if at_end else text[max(places[over - 1][1], 1) :]
