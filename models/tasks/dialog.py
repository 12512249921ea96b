"""Dialog: what was said so far and what was looked up for it in, the next turn out, as in customer service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from models import text_metrics
from models.prompt import Prompt, Said
from models.tasks import texts
from models.tasks.task import Row, Task, texts_given

# Plain text, so that any decoder can take it: a line for each turn, and the name of the one who is to speak. Models
# whose tokenizer has a chat template read that instead (models/chat.py).
NAMES = {"system": "System", "user": "User", "assistant": "Assistant"}
KNOWN = "Known"


def asked(row: Row) -> Prompt:
    """The dialog as lines: the system's word and what was looked up, the turns, and last the question to be answered.

    Raises ValueError for a role that there is not, and for messages that do not end with the user's.
    """
    messages = spoken(row)
    _known(messages)
    if not messages or messages[-1]["role"] != "user":
        raise ValueError(f"messages: {_met(messages)}; end with what the user asks, for that is what is answered")
    head = [_line(message) for message in messages if message["role"] == "system"]
    head += [f"{KNOWN}: {text}" for text in context(row)]
    turns = [_line(message) for message in messages[:-1] if message["role"] != "system"]
    tail = f"{_line(messages[-1])}\n{NAMES['assistant']}:"
    first, *others = (f"\n{line}" for line in (*head, *turns, tail))
    lines = [first.removeprefix("\n"), *others]
    return Prompt(lines[-1], "".join(lines[: len(head)]), tuple(lines[len(head) : -1]), _said(row))


def _said(row: Row) -> tuple[Said, ...]:
    """The turns, and before them the system's, which knows what was looked up."""
    by_system = [str(message["content"]) for message in spoken(row) if message["role"] == "system"]
    known = "\n".join((*by_system, *(f"{KNOWN}: {text}" for text in context(row))))
    turns = [Said(m["role"], str(m["content"])) for m in spoken(row) if m["role"] != "system"]
    return (*([Said("system", known)] if known else []), *turns)


def example(row: Row) -> Row:
    """A dialog as it is stored, as what is asked (`messages`) and what was answered (`reply`), its last turn.

    Raises ValueError when the last two turns are not the user's and the assistant's, and for a role that there is not.
    """
    messages = row["messages"]
    if len(messages) < 2 or messages[-1]["role"] != "assistant":
        why = "the assistant's last turn is what a model learns to write; cut the dialog there, or leave it out"
        raise ValueError(f"messages: {_met(messages)}; {why}")
    _known(messages)
    if messages[-2]["role"] != "user":
        raise ValueError(
            "messages: the last answer follows no question of the user's; let user and assistant alternate"
        )
    return {**row, "messages": messages[:-1], "reply": messages[-1]["content"]}


def unanswered(row: Row) -> Row:
    """A dialog up to the question: as it is asked, and of one as it is stored all but the answer.

    Raises ValueError for messages that are neither.
    """
    messages = spoken(row)
    is_stored = bool(messages) and messages[-1]["role"] == "assistant"
    found = example(row) if is_stored else row
    asked(found)
    return found


def question(row: Row) -> tuple[str, ...]:
    """What the user said last."""
    return (str(spoken(row)[-1]["content"]),)


def spoken(row: Row) -> list[Mapping[str, Any]]:
    """The messages of a row."""
    return list(row["messages"])


def context(row: Row) -> list[str]:
    """The answers that were looked up, the best first; none where there is no such column."""
    return texts_given(row, "context")


def _known(messages: Sequence[Mapping[str, Any]]) -> None:
    """Raise ValueError for a role that there is not."""
    if wrong := [number for number, message in enumerate(messages, 1) if message["role"] not in NAMES]:
        raise ValueError(f"messages: number {wrong[0]} has a role that there is not; take one of {', '.join(NAMES)}")


def _line(message: Mapping[str, Any]) -> str:
    return f"{NAMES[message['role']]}: {message['content']}"


def _met(messages: Sequence[Mapping[str, Any]]) -> str:
    return f"the last of {len(messages)} is the {messages[-1]['role']}'s" if messages else "there are none"


def grounding(rows: Sequence[Row], answers: Sequence[str]) -> list[dict[str, float]]:
    """Share of an answer's words (characters in Chinese) that stand in what was looked up; nothing without that."""
    return [
        {"grounding": text_metrics.share_found(answer, known)} if (known := context(row)) else {}
        for row, answer in zip(rows, answers, strict=True)
    ]


DIALOG = Task(
    name="dialog",
    format="dialog",
    version=1,
    answer="text",
    texts=("messages",),
    target="reply",
    optional=("context",),
    ask=asked,
    reads=question,
    example=example,
    primary="bits_per_byte",
    measures=("bits_per_byte", "bleu", "rouge_l", "chrf", "grounding", "bert_score"),
    metrics=texts.measured,
    statistics=texts.resampled,
    judges=(
        text_metrics.bleu,
        text_metrics.rouge,
        text_metrics.chrf,
    ),
    row_judges=(grounding,),
    worst="rouge_l",
    rivals=("nearest",),
)
