"""When memory runs out, each batch is learned from in parts, and the step in which it happened begins again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch  # noqa: TID253 - this module is itself imported lazily
from accelerate.utils.memory import clear_device_cache, should_reduce_batch_size

if TYPE_CHECKING:
    from models.divergence import Course
    from models.record import Record
    from models.schedule import Batch, Plan


class OutOfMemory(Exception):
    """Memory ran out, and what is read at once cannot be made smaller."""

    def __init__(self, step: int, *, divisible: bool) -> None:
        cure = "what is read at once is a single text: shorten it (max_length, block), or take a smaller base"
        if not divisible:
            cure = "each answer of a batch is told from all others of it: make the batch smaller (batch_size)"
        super().__init__(f"memory ran out at step {step}, and {cure}; or give the step more memory")


def ran_out(error: BaseException) -> bool:
    """Whether an error says that there is no memory: torch's on a GPU, its allocator's on a CPU, or Python's."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or should_reduce_batch_size(error)


def parts(plan: Plan, number: int, most: int) -> Iterator[tuple[Batch, float]]:
    """A batch of a plan in `most` parts or fewer, with the share that each has of its loss.

    A loss is a mean over answers, of which parts may have more or fewer; one without any is left out.
    """
    items, epoch = plan.items(number)
    size = -(-len(items) // most)
    batches = [plan.collate(items[start : start + size], epoch) for start in range(0, len(items), size)]
    counts = [plan.loss.answers(batch) for batch in batches]
    for batch, count in zip(batches, counts, strict=True):
        if count or not any(counts):
            yield batch, count / max(1, sum(counts))


@dataclass
class StepBegin:
    """How things stood when a step began, so that it can begin again as if it had not."""

    step: int
    done: int  # batches of the step that were learned from
    generators: list[torch.Tensor]
    losses: int
    epoch_losses: int
    tokens: int
    courses: dict[str, Course]

    @classmethod
    def now(cls, step: int, record: Record) -> StepBegin:
        """As things stand."""
        counts = len(record.losses), len(record.epoch_losses), record.tokens
        return cls(step, 0, _generators(), *counts, dict(record.courses))

    def come_back(self, model: Any, record: Record) -> None:
        """Undo what the step did: gradients, draws, and what was noted."""
        clear_device_cache(garbage_collection=True)
        model.zero_grad()
        torch.set_rng_state(self.generators[0])
        if torch.cuda.is_available():
            torch.cuda.set_rng_state_all(self.generators[1:])
        del record.losses[self.losses :], record.epoch_losses[self.epoch_losses :]
        record.tokens, record.courses, self.done = self.tokens, dict(self.courses), 0


def _generators() -> list[torch.Tensor]:
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [])]
