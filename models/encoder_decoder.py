"""Models with an encoder that reads and a decoder that writes: texts to tokens, a plan with its loss, and answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily

from models import stop
from models.encoding import encode_prompt
from models.losses import Loss, by_row
from models.objectives import Answers, batches
from models.output_layer import only_states
from models.packing import IGNORED, padded
from models.precision import autocast
from models.prompt import Prompt
from models.schedule import Batch, Passes, Plan
from models.tokenizer import decoded
from models.verbaliser import frame

Source = tuple[list[int], list[int]]  # what is read, and what is to be written


def encode_pair(tokenizer: Any, prompt: Prompt | str, answer: str, room: int) -> Source:
    """Tokens of a prompt and of its answer, each framed and cut to `room`; what a prompt loses is said at `Prompt`."""
    start, end = frame(tokenizer)
    body = tokenizer(answer, add_special_tokens=False)["input_ids"][: room - len(start) - len(end)]
    return encode_source(tokenizer, prompt, room), [*start, *body, *end]


def encode_source(tokenizer: Any, prompt: Prompt | str, room: int) -> list[int]:
    """Tokens of a prompt, framed, `room` of them at most."""
    start, end = frame(tokenizer)
    return [*start, *encode_prompt(tokenizer, prompt, room - len(start) - len(end), bare=True), *end]


def batch_of(sources: Sequence[Source], pad: int) -> Batch:
    """Both sides filled on the right, each to its own longest; the filling is neither read nor to be written."""
    inputs = padded([{"input_ids": source} for source, _ in sources], {"input_ids": pad})
    wanted = padded([{"input_ids": target} for _, target in sources], {"input_ids": IGNORED})
    return {**inputs, "labels": wanted["input_ids"]}


def pair_plan(tokenizer: Any, pairs: Sequence[tuple[Prompt, str]], room: int, passes: Passes) -> Plan:
    """Passes over prompts and their answers; only the answer and its end are to be learned."""
    rows = [encode_pair(tokenizer, prompt, answer, room) for prompt, answer in pairs]

    def collate(items: Sequence[int], epoch: int) -> Batch:  # noqa: ARG001 - a row is the same in every epoch
        return batch_of([rows[n] for n in items], tokenizer.pad_token_id)

    return Plan(batches([len(source) + len(target) for source, target in rows], passes), collate, writing_loss)


def written_answers(model: Any, batch: Batch) -> Answers:
    """Each token to be written, given what was read and the tokens before it."""
    labels = batch["labels"]
    wanted = labels != IGNORED
    with only_states(model.get_output_embeddings(), wanted):
        logits = model(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            decoder_input_ids=_before(model, labels),
            use_cache=False,
        ).logits.float()
    return logits, labels[wanted]


writing_loss = Loss(written_answers)


def _before(model: Any, labels: torch.Tensor) -> torch.Tensor:
    """What the decoder has read when it is to write each label: the same, one place later, after its start."""
    return torch.as_tensor(model.prepare_decoder_input_ids_from_labels(labels=labels))


def bits_of(model: Any, pad: int, sources: Sequence[Source], counted: Sequence[Sequence[bool]]) -> list[float]:
    """Bits of the `counted` tokens of each target."""
    batch = {name: tensor.to(model.device) for name, tensor in batch_of(sources, pad).items()}
    wanted = batch["labels"] != IGNORED
    with torch.inference_mode():
        logits, labels = written_answers(model, batch)
        nats = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    table = padded([{"input_ids": list(map(int, row))} for row in counted], {"input_ids": 0})["input_ids"]
    return [nat / math.log(2) for nat in by_row(nats * table.to(nats.device)[wanted], wanted)]


def completion_bits(model: Any, pad: int, sources: Sequence[Source]) -> list[float]:
    """Bits that the model needs for all that is to be written, once it has read what is read."""
    with autocast(model.device):
        return bits_of(model, pad, sources, [[True] * len(target) for _, target in sources])


def write(model: Any, tokenizer: Any, prompts: Sequence[Prompt], room: int, max_new_tokens: int) -> list[str]:
    """The likeliest answer to each prompt, token by token.

    What a checkpoint was told for the task it came from, beams and least lengths, does not count for this one.
    """
    sources = [{"input_ids": encode_source(tokenizer, prompt, room)} for prompt in prompts]
    batch = padded(sources, {"input_ids": tokenizer.pad_token_id})
    plain = {"min_length": 0, "no_repeat_ngram_size": 0, "repetition_penalty": 1.0}
    # What the decoder began with in training: of the older mBART the language, of which its files say nothing.
    begin = int(_before(model, torch.tensor([tokenizer("a")["input_ids"]]))[0, 0])
    greedy = {"do_sample": False, "num_beams": 1, "decoder_start_token_id": begin, **plain}
    inputs = {name: tensor.to(model.device) for name, tensor in batch.items()}
    with torch.inference_mode(), autocast(model.device):
        written = model.generate(
            **inputs, max_new_tokens=max_new_tokens, stopping_criteria=[stop.between_tokens], **greedy
        )
    return [decoded(tokenizer, row).strip() for row in written]
