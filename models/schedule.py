"""What a training goes through, laid out before it starts: every batch, in order, and how fast to learn from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch  # noqa: TID253 - this module is itself imported lazily
from transformers import get_scheduler  # noqa: TID253

if TYPE_CHECKING:
    from models.hooks import Hook
    from models.losses import Loss
    from models.mixing import MixedLoss

Batch = dict[str, Any]

# What the learning rate does after its warm-up, by the name that a recipe uses: transformers' name, and what that needs
# to be told of a number of steps. Cosine ends at a tenth (Hoffmann et al. 2022), "wsd" falls as Hägele et al. 2024 say.
SCHEDULES: dict[str, tuple[str, Callable[[int], dict[str, Any]]]] = {
    "linear": ("linear", lambda _: {}),
    "cosine": ("cosine_with_min_lr", lambda _: {"min_lr_rate": 0.1}),
    "constant": ("constant_with_warmup", lambda _: {}),
    "wsd": (
        "warmup_stable_decay",
        lambda steps: {"num_decay_steps": max(1, round(steps / 5)), "decay_type": "1-sqrt"},
    ),
}


@dataclass(frozen=True)
class Plan(torch.utils.data.Dataset[Batch]):
    """All batches of a training, epoch after epoch.

    The order is data, not a generator's state: a training that was stopped goes on with the very batch that was next.
    `collate` makes the tensors of a batch from its items, mostly numbers, and the number of its epoch, and depends on
    nothing else. `loss` is a mean over the batch, a scalar, from the model and the batch. `counts` says how many
    examples have each label, where there are labels. `hooks` are what goes on beside the steps.
    """

    epochs: Sequence[Sequence[Sequence[Any]]]
    collate: Callable[[Sequence[Any], int], Batch]
    loss: Loss | MixedLoss
    counts: tuple[int, ...] = ()
    hooks: Sequence[Hook] = ()

    def __len__(self) -> int:
        return sum(map(len, self.epochs))

    def __getitem__(self, step: int) -> Batch:
        return self.collate(*self.items(step))

    def items(self, step: int) -> tuple[Sequence[Any], int]:
        """The items of a batch, and its epoch."""
        for epoch, batches in enumerate(self.epochs):
            if step < len(batches):
                return batches[step], epoch
            step -= len(batches)
        raise IndexError(step)

    @property
    def ends(self) -> list[int]:
        """The number of batches seen at the end of each epoch."""
        return [sum(map(len, self.epochs[: n + 1])) for n in range(len(self.epochs))]


@dataclass(frozen=True)
class Passes:
    """How labelled examples are gone through: batches of `size`, `epochs` times, in an order decided by `seed`.

    Examples of one group come in one batch, where there are `groups`, one for each example. `drawn` says for each epoch
    which examples it goes through, where these are not all of them.
    """

    size: int
    epochs: int
    seed: int
    groups: Sequence[str] | None = None
    drawn: Sequence[Sequence[int]] | None = None


@dataclass(frozen=True)
class Pace:
    """How fast to learn: `warm_up` is the share of the steps in which the rate rises, `schedule` what it does then."""

    learning_rate: float
    warm_up: float = 0.06
    weight_decay: float = 0.01
    layer_decay: float = 1.0
    clip: float = 1.0
    noise: float = 0.0  # alpha of NEFTune (Jain et al. 2023)
    accumulation: int = 1
    optimizer: str = "adamw"
    seed: int = 7
    schedule: str = "linear"

    def factors(self, steps: int) -> Callable[[int], float]:
        """The learning rate of a step, counted from 0, as a share of the peak, in a training of so many steps.

        transformers begins at a rate of nothing and ends before it is back there; here both steps are left out, for
        nothing would be learned in them.
        """
        name, options = SCHEDULES[self.schedule]
        rise = max(1, round(self.warm_up * steps))
        nothing = torch.optim.SGD([torch.zeros(1)], lr=1.0)  # which the function is made for, and which learns nothing
        factor = get_scheduler(name, nothing, rise, steps + 1, options(steps)).lr_lambdas[0]
        return lambda step: float(factor(step + 1))


def groups(model: Any, pace: Pace) -> list[dict[str, Any]]:
    """Parameter groups: no weight decay on vectors, and a lower rate the deeper a layer lies, if the pace says so."""
    found: dict[tuple[float, bool], list[Any]] = {}
    layers = getattr(model.config, "num_hidden_layers", 0)
    for key, parameter in model.named_parameters():
        if parameter.requires_grad:
            rate = pace.learning_rate * pace.layer_decay ** (layers + 1 - depth(key, layers))
            found.setdefault((rate, parameter.ndim > 1), []).append(parameter)
    return [
        {"params": ps, "lr": rate, "weight_decay": pace.weight_decay * decays} for (rate, decays), ps in found.items()
    ]


# What GPT-2 calls its embeddings of words and of places; all others have it in the name.
EMBEDDINGS = ("wte", "wpe")


def depth(key: str, layers: int) -> int:
    """How deep a weight lies: 0 for embeddings, 1 and up for the layers, one more than `layers` for all above."""
    parts = key.split(".")
    if any("embed" in part or part in EMBEDDINGS for part in parts):
        return 0
    numbers = [int(part) for part in parts if part.isdigit()]
    return numbers[0] + 1 if numbers else layers + 1


def tokens_of(batch: Batch) -> int:
    """How many tokens a model reads in a batch; what only fills it up is left out where a mask tells it."""
    masks = [tensor for name, tensor in batch.items() if name.endswith("attention_mask")]
    return int(sum(mask.sum() for mask in masks) if masks else batch["input_ids"].numel())
