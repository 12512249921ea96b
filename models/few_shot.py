"""Learning from few labelled texts: which of them say the same comes first, the head on what was learned after it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily
from torch.nn.functional import mse_loss  # noqa: TID253

from models.contrast import directions
from models.encoding import encode_texts
from models.losses import Loss
from models.packing import by_count, padded
from models.predict import embed
from models.schedule import Batch, Passes, Plan

# Numbers of two texts, and whether they have one label.
Pair = tuple[int, int, bool]


def drawn_pairs(labels: Sequence[int], each: int, seed: int) -> list[Pair]:
    """`each` pairs of every example with another of its label, and as many with one of another label.

    The only example of its label is paired with others alone. Raises ValueError when there is one label only.
    """
    if len(set(labels)) < 2:
        raise ValueError("pairs of other labels need two labels or more, and all examples have the same one")
    choose = random.Random(seed).choice  # noqa: S311 - no secret is drawn
    members = {label: [n for n, other in enumerate(labels) if other == label] for label in set(labels)}
    others = {label: [n for n, other in enumerate(labels) if other != label] for label in members}
    pairs: list[Pair] = []
    for number, label in enumerate(labels):
        same = [n for n in members[label] if n != number]
        pairs += [(number, choose(same), True) for _ in range(each if same else 0)]
        pairs += [(number, choose(others[label]), False) for _ in range(each)]
    return pairs


def pair_plan(
    tokenizer: Any, texts: Sequence[tuple[str, ...]], labels: Sequence[int], each: int, passes: Passes
) -> Plan:
    """Passes over pairs of the texts: the cosine of a pair follows its labels (SetFit, Tunstall et al. 2022)."""
    rows, pairs = encode_texts(tokenizer, texts), drawn_pairs(labels, each, passes.seed)
    fill = {n: tokenizer.pad_token_id if n == "input_ids" else 0 for n in rows[0] if n != "attention_mask"}
    lengths = [max(len(rows[one]["input_ids"]), len(rows[other]["input_ids"])) for one, other, _ in pairs]

    def collate(items: Sequence[int], epoch: int) -> Batch:  # noqa: ARG001 - a pair is the same in every epoch
        chosen = [pairs[n] for n in items]
        sides = [rows[one] for one, _, _ in chosen] + [rows[other] for _, other, _ in chosen]
        return padded(sides, fill) | {"labels": torch.tensor([float(same) for *_, same in chosen])}

    seeds = range(passes.seed, passes.seed + passes.epochs)
    return Plan([by_count(lengths, passes.size, seed) for seed in seeds], collate, CosineLoss(cosines))


@dataclass(frozen=True)
class CosineLoss(Loss):
    """Mean squared distance of each pair's cosine from 1 (one label) or 0 (two)."""

    def __call__(self, model: Any, batch: Batch) -> torch.Tensor:
        """A scalar: a mean over the pairs."""
        return mse_loss(*self.read(model, batch))


def cosines(model: Any, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines of shape (pairs,), and what they ought to be; a batch's first half of rows is paired with its second."""
    one, other = directions(model.encoder, batch["input_ids"], batch["attention_mask"]).chunk(2)
    return (one * other).sum(-1), batch["labels"]


def fit_head(model: Any, tokenizer: Any, texts: Sequence[tuple[str, ...]], labels: Sequence[int]) -> None:
    """Give a TextClassifier the head that logistic regression finds on its encoder's embeddings of the texts.

    `labels` are numbers, and each of the model's labels is among them.
    """
    from sklearn.linear_model import LogisticRegression

    found = LogisticRegression(max_iter=1000).fit(embed(model.encoder, tokenizer, [t for (t,) in texts]), labels)
    weight, bias = torch.tensor(found.coef_), torch.tensor(found.intercept_)
    if len(weight) == 1:  # of two labels, whose sigmoid is the softmax of half of it and its opposite
        weight, bias = torch.cat([-weight, weight]) / 2, torch.cat([-bias, bias]) / 2
    with torch.no_grad():
        model.head.weight.copy_(weight)
        model.head.bias.copy_(bias)
