"""How questions and answers are told apart: each question has to find its own answer among those of its batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch  # noqa: TID253 - this module is itself imported lazily

from models.encoding import encode_texts
from models.losses import Loss
from models.packing import by_count, padded
from models.schedule import Batch, Passes, Plan
from models.text_state import text_state

# Cosines lie between -1 and 1: without a factor, a perfect model would be hardly surer than a bad one.
SCALE = 20.0
# The logit of what is neither right nor wrong: so low that no softmax sees it, and yet a number.
UNSEEN = -1e4
# A question, its answer, and wrong answers where some are known.
Example = tuple[str, ...]


def contrast_plan(tokenizer: Any, examples: Sequence[Example], passes: Passes) -> Plan:
    """Passes over questions with their answers, in batches whose answers are alike in length.

    What the other questions of a batch are answered with is wrong for this one (Henderson et al. 2017), and so are all
    wrong answers that the batch brings along. A text stands once in a batch, however often it answers: it is not wrong
    for a question that it answers, nor is any other answer that this question has among the examples.
    """
    passages = list(dict.fromkeys(text for _, *told in examples for text in told))
    number = {text: place for place, text in enumerate(passages)}
    asked = encode_texts(tokenizer, [(question,) for question, *_ in examples])
    told = encode_texts(tokenizer, [(text,) for text in passages])
    right = [number[answer] for _, answer, *_ in examples]
    wrong = [[number[text] for text in texts] for _, _, *texts in examples]
    every = _answers_of([question for question, *_ in examples], right)

    def collate(items: Sequence[int], epoch: int) -> Batch:  # noqa: ARG001 - a row is the same in every epoch
        columns = list(dict.fromkeys([right[n] for n in items] + [place for n in items for place in wrong[n]]))
        fill = {"input_ids": tokenizer.pad_token_id}
        passage = padded([told[place] for place in columns], fill)
        return {
            **padded([asked[n] for n in items], fill),
            **{f"passage_{name}": tensor for name, tensor in passage.items()},
            "labels": torch.tensor([columns.index(right[n]) for n in items]),
            "unseen": torch.tensor([[c in every[n] and c != right[n] for c in columns] for n in items]),
        }

    lengths = [len(told[place]["input_ids"]) for place in right]
    seeds = range(passes.seed, passes.seed + passes.epochs)
    return Plan([by_count(lengths, passes.size, seed) for seed in seeds], collate, contrast_loss)


def _answers_of(questions: Sequence[str], right: Sequence[int]) -> list[set[int]]:
    """For each question, the numbers of all texts that answer it."""
    found: dict[str, set[int]] = {}
    for question, answer in zip(questions, right, strict=True):
        found.setdefault(question, set()).add(answer)
    return [found[question] for question in questions]


def contrast_answers(model: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Scaled cosines of shape (questions, passages), and the place of each question's answer (van den Oord 2018)."""
    asked = directions(model, batch["input_ids"], batch["attention_mask"])
    told = directions(model, batch["passage_input_ids"], batch["passage_attention_mask"])
    # In bf16 a cosine has two digits, too few to order answers by.
    with torch.autocast(asked.device.type, enabled=False):
        cosines = asked @ told.T
    return (SCALE * cosines).masked_fill(batch["unseen"], UNSEEN), batch["labels"]


def directions(model: Any, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The state that stands for each text, as a vector of length 1; shape (texts, width)."""
    return torch.nn.functional.normalize(text_state(model, mask, input_ids=ids), dim=-1)


@dataclass(frozen=True)
class ContrastLoss(Loss):
    """A loss that is another in parts: each has fewer answers to choose from."""

    divisible: ClassVar[bool] = False


contrast_loss = ContrastLoss(contrast_answers)
