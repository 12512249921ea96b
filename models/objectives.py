"""What is learned: guess masked tokens, continue text, label texts, complete prompts. Each a plan and a loss."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily

from models.backbone import masked_states_and_head
from models.encoding import encode_completion, encode_texts
from models.losses import Loss, each_label
from models.masking import Words, masked, vocabulary_of
from models.output_layer import head_loss, is_plain, only_states
from models.packing import IGNORED, Tokens, best_fit, by_count, by_tokens, packed, padded, pieces
from models.prompt import Prompt
from models.schedule import Batch, Passes, Plan
from models.verbaliser import frame
from models.words import word_numbers

# Texts tokenised at once.
CHUNK = 512
# Logits of shape (answers, vocabulary or labels), and the right answers' numbers.
Answers = tuple[torch.Tensor, torch.Tensor]
Cut = Callable[[Any, Sequence[str], int], Sequence[Tokens]]


def tokenise(tokenizer: Any, texts: Sequence[str], block: int) -> list[list[int]]:
    """Pieces of at most `block` tokens of each text: framed as an encoder expects, or ended as a decoder does."""
    if tokenizer.mask_token_id is None:
        return tokenise_ended(tokenizer, texts, block)
    encoded = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    start, end = tokenizer.cls_token_id, tokenizer.sep_token_id
    return [[start, *piece, end] for piece in pieces(encoded, block - 2)]


def tokenise_ended(tokenizer: Any, texts: Sequence[str], block: int) -> list[list[int]]:
    """Pieces for a decoder: texts begin as its tokenizer begins all. It may be an encoder's, as Chinese ones are."""
    start = frame(tokenizer)[0]
    encoded = tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
    return pieces([[*start, *tokens, tokenizer.eos_token_id] for tokens in encoded], block)


def tokenise_words(tokenizer: Any, texts: Sequence[str], block: int) -> list[Words]:
    """The pieces of `tokenise` for an encoder, each of which knows its words; a cut through a word makes two of it."""
    encoded = tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    numbers = [word_numbers(*pair) for pair in zip(texts, encoded["offset_mapping"], strict=True)]
    start, end = tokenizer.cls_token_id, tokenizer.sep_token_id
    both = zip(pieces(encoded["input_ids"], block - 2), pieces(numbers, block - 2), strict=True)
    return [Words([start, *piece, end], [-1, *words, -1]) for piece, words in both]


def drawn(  # noqa: PLR0913, PLR0917
    tokenizer: Any,
    texts: Sequence[str],
    block: int,
    tokens: int,
    seed: int,
    keep: Callable[[Tokens], None],
    cut: Cut = tokenise,
) -> list[int]:
    """Hand `keep` pieces of texts in random order; return their numbers in the order that gives `tokens` tokens.

    When the texts hold fewer, they come again. Only as many texts are tokenised as are needed: a large corpus costs
    nothing when little of it is read. `cut` is `tokenise` or one of its kin.
    """
    order = list(texts)
    shuffle = random.Random(seed).shuffle  # noqa: S311 - no secret is drawn
    shuffle(order)
    lengths: list[int] = []
    for start in range(0, len(order), CHUNK):
        if tokens <= 0:
            break
        for piece in cut(tokenizer, order[start : start + CHUNK], block):
            if tokens > 0:
                keep(piece)
                lengths.append(len(piece))
                tokens -= len(piece)
    return [*range(len(lengths)), *_again(lengths, tokens, shuffle)]


def _again(lengths: Sequence[int], tokens: int, shuffle: Callable[[list[int]], None]) -> list[int]:
    """More passes over pieces of such lengths, each in another order, until they hold `tokens` tokens."""
    found: list[int] = []
    while tokens > 0 and lengths:
        one_pass = list(range(len(lengths)))
        shuffle(one_pass)
        for piece in one_pass:
            if tokens > 0:
                found.append(piece)
                tokens -= lengths[piece]
    return found


def masked_plan(  # noqa: PLR0913, PLR0917
    tokenizer: Any,
    documents: Sequence[Tokens],
    share: float,
    batch_tokens: int,
    seed: int,
    masking: str = "token",
) -> Plan:
    """One pass over framed documents, batched by length; which tokens to guess depends on seed and place alone.

    `masking` is one of `models.masking.MASKING`; all but "token" take documents of `tokenise_words`.
    """
    vocabulary = vocabulary_of(tokenizer)
    fill = {"input_ids": tokenizer.pad_token_id, "labels": IGNORED}

    def collate(items: Sequence[int], epoch: int) -> Batch:
        rows = (masked(documents[n], vocabulary, share, (seed, epoch, n), masking) for n in items)
        return padded([{"input_ids": ids, "labels": labels} for ids, labels in rows], fill)

    return Plan([by_tokens([len(d) for d in documents], batch_tokens, seed)] if documents else [], collate, masked_loss)


def masked_answers(model: Any, batch: Batch) -> Answers:
    """The tokens to guess; only they go through the vocabulary, half of the work otherwise."""
    labels = batch["labels"]
    wanted = labels != IGNORED
    states, head = masked_states_and_head(model, batch["input_ids"], batch["attention_mask"])
    return head(states[wanted]).float(), labels[wanted]


def causal_plan(documents: Sequence[Tokens], block: int, batch_tokens: int, pad: int, seed: int) -> Plan:
    """One pass over ended documents, packed into blocks, as many blocks a batch as `batch_tokens` holds."""
    blocks = best_fit([len(d) for d in documents], block)
    batches = by_count([block] * len(blocks), max(1, batch_tokens // block), seed)

    def collate(items: Sequence[int], epoch: int) -> Batch:  # noqa: ARG001 - packing is the same in every epoch
        return packed([[documents[piece] for piece in blocks[n]] for n in items], pad)

    return Plan([batches] if blocks else [], collate, causal_loss)


def causal_plan_unpacked(documents: Sequence[Tokens], batch_tokens: int, pad: int, seed: int) -> Plan:
    """The same, one text a row, for a model that keeps them not apart in a block (`models.packing.keeps_apart`)."""
    fill = {"input_ids": pad, "labels": IGNORED}

    def collate(items: Sequence[int], epoch: int) -> Batch:  # noqa: ARG001 - a document is the same in every epoch
        return padded([dict.fromkeys(fill, documents[n]) for n in items], fill)

    return Plan([by_tokens([len(d) for d in documents], batch_tokens, seed)] if documents else [], collate, causal_loss)


def causal_answers(model: Any, batch: Batch) -> Answers:
    """Each labelled token, given those before it in its piece; only its states go through the vocabulary."""
    inputs, wanted, answers = _next_tokens(batch)
    with only_states(model.get_output_embeddings(), wanted):
        logits = model(**inputs).logits.float()
    return logits, answers


def causal_mean(model: Any, batch: Batch) -> torch.Tensor | None:
    """The mean cross-entropy of `causal_answers`, whose logits never stand in memory together.

    None for a model that does more to its logits than its output layer does, or is not on a processor.
    """
    if not is_plain(model):
        return None
    inputs, wanted, answers = _next_tokens(batch)
    head = model.get_output_embeddings()
    kept: list[torch.Tensor] = []
    with only_states(head, wanted, kept):
        first = model(**inputs).logits
    (states,) = kept
    with torch.no_grad():
        is_all = torch.equal(first.float(), head(states[:1]).float())
    return head_loss(states, head, answers) if is_all else None


def _next_tokens(batch: Batch) -> tuple[dict[str, Any], torch.Tensor, torch.Tensor]:
    """What a decoder reads, which of its states, shape (texts, length), have a labelled token next, and those tokens.

    With a cache, transformers would not look for restarting positions, and pieces would see each other.
    """
    inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
    labels = batch["labels"][:, 1:]
    wanted = labels != IGNORED
    return {**inputs, "use_cache": False}, torch.nn.functional.pad(wanted, (0, 1)), labels[wanted]


def label_plan(tokenizer: Any, texts: Sequence[tuple[str, ...]], labels: Sequence[int], passes: Passes) -> Plan:
    """Passes over texts, or pairs of texts, in batches alike in length; rows of one group stand together."""
    counts = Counter(labels)
    plan = _labelled(tokenizer, texts, labels, passes, label_loss)
    return replace(plan, counts=tuple(counts[n] for n in range(max(counts) + 1)))


def label_set_plan(
    tokenizer: Any, texts: Sequence[tuple[str, ...]], labels: Sequence[Sequence[float]], passes: Passes
) -> Plan:
    """As `label_plan`, where a text has any number of labels: 1 for each that is true of it, 0 for the others."""
    return _labelled(tokenizer, texts, labels, passes, label_set_loss)


def _labelled(
    tokenizer: Any, texts: Sequence[tuple[str, ...]], labels: Sequence[Any], passes: Passes, loss: Loss
) -> Plan:
    rows = encode_texts(tokenizer, texts)
    fill = {n: tokenizer.pad_token_id if n == "input_ids" else 0 for n in rows[0] if n != "attention_mask"}
    lengths = [len(row["input_ids"]) for row in rows]

    def collate(items: Sequence[int], epoch: int) -> Batch:  # noqa: ARG001 - a row is the same in every epoch
        return padded([rows[n] for n in items], fill) | {"labels": torch.tensor([labels[n] for n in items])}

    return Plan(batches(lengths, passes), collate, loss)


def label_answers(model: Any, batch: Batch) -> Answers:
    """The label of each row."""
    inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
    return model(**inputs).logits.float(), batch["labels"]


def completion_plan(tokenizer: Any, pairs: Sequence[tuple[Prompt, str]], room: int, passes: Passes) -> Plan:
    """Passes over prompts and completions; only the completion and the end of the text are to be learned."""
    encoded = [encode_completion(tokenizer, prompt, completion, room) for prompt, completion in pairs]
    rows = [{"input_ids": ids, "labels": [IGNORED] * start + ids[start:]} for ids, start in encoded]
    fill = {"input_ids": tokenizer.pad_token_id, "labels": IGNORED}

    def collate(items: Sequence[int], epoch: int) -> Batch:  # noqa: ARG001
        return padded([rows[n] for n in items], fill)

    return Plan(batches([len(ids) for ids, _ in encoded], passes), collate, causal_loss)


def batches(lengths: Sequence[int], passes: Passes) -> list[list[list[int]]]:
    seeds = range(passes.seed, passes.seed + passes.epochs)
    if passes.drawn is None:
        return [by_count(lengths, passes.size, seed, passes.groups) for seed in seeds]
    return [
        [[items[n] for n in batch] for batch in by_count([lengths[n] for n in items], passes.size, seed)]
        for seed, items in zip(seeds, passes.drawn, strict=True)
    ]


masked_loss, label_loss = Loss(masked_answers), Loss(label_answers)
causal_loss = Loss(causal_answers, first=1, mean=causal_mean)
label_set_loss = Loss(label_answers, each_label)
