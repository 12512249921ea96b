"""When a training is lost though its loss is still a number: it lies far above what it was, and stays there."""

from __future__ import annotations

from typing import NamedTuple

# So many batches in a row must be far above, or such a share of the training where that is more: odd texts come alone,
# and a spike comes down again.
LEAST_BATCHES = 20
SHARE = 0.05


class Diverged(Exception):
    """The loss is no number any more, or far too large: the weights are lost, and would be lost again."""


class Course(NamedTuple):
    """How the losses of one task went; plain numbers, for it is a part of each checkpoint.

    `usual` is the highest loss of the best run of batches so far: where hard and easy texts take turns, a hard one is
    as usual as the others, in whatever order they come.
    """

    usual: float
    near: float  # the last loss that was not far above the usual
    highest: float  # of the run that is read now, of which there are so many `batches`
    batches: int = 1
    far: int = 0  # how many losses in a row were far above the usual, up to now
    since: int = 0  # the batch of the first of these


def far_above(usual: float) -> float:
    """Where far above begins: at twice the usual, and one on top, for a loss may have come down to nothing."""
    return 2 * usual + 1


def run_of(batches: int) -> int:
    """How many batches are a run, in a training of so many; a run far above the usual is the end."""
    return max(LEAST_BATCHES, round(SHARE * batches))


def gone_on(course: Course | None, loss: float, number: int, run: int) -> Course:
    """The course with the loss of one more batch, number `number` of the training, where so many are a run.

    The first loss is the only one from before the first step, which may lose everything; but one batch may be far
    easier than the next ones, so that what is far above it is taken as usual.
    """
    if course is None:
        return Course(usual=far_above(loss), near=loss, highest=loss)
    is_far = loss > far_above(course.usual)
    new = course._replace(
        near=course.near if is_far else loss,
        far=course.far + 1 if is_far else 0,
        since=course.since if course.far else number,
        highest=max(course.highest, loss),
        batches=course.batches + 1,
    )
    if new.batches < run:
        return new
    return new._replace(usual=min(new.usual, new.highest), highest=0.0, batches=0)


def told(course: Course, loss: float) -> str:
    """What happened, up to the step at which it began."""
    rise = f"the loss went from {course.near:.3g} to {loss:.3g}"
    return f"{rise}, and was above {far_above(course.usual):.3g} for {course.far} batches in a row, the first"
