"""The recipe's [distil]: the smaller model that learns the answers of the fine-tuned one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from models.scratch import names
from models.tasks.task import Task
from pipelines.errors import near_miss
from pipelines.section import Section

if TYPE_CHECKING:
    from pipelines.recipe import Recipe


class Scratch(Section):
    """A model made here: a configuration of `models/scratch.py` with random weights and a tokenizer of its own."""

    scratch: str = Field(
        description="tiny-decoder, -encoder or -encoder-decoder, as the objective wants; micro- is smaller"
    )


class Distil(Section):
    """A smaller model that learns the answers of the fine-tuned one; it is judged by the same gates."""

    student: str | Scratch = Field(description="hf://org/name, a folder, or { scratch = name }")
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="Digest of the student's model.safetensors")
    files_sha256: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="Digest of its config and tokenizer, set when a run is frozen"
    )
    temperature: float = Field(
        2.0, gt=0, le=100, description="What logits of labels are divided by: the higher, the softer"
    )
    weight: float = Field(0.5, gt=0, le=1, description="Of the teacher's answers; labels and references have the rest")
    corpus: int = Field(0, ge=0, description="Texts of data.corpus that the teacher alone labels")
    epochs: int = Field(4, ge=1, le=100, description="Of the student; `finetune.epochs` are the teacher's")
    learning_rate: float = Field(5e-5, gt=0, lt=1, description="Of the student, the highest, after the warm-up")
    release: bool = Field(False, description="The student is judged, reviewed and promoted in its teacher's place")


def student_problems(recipe: Recipe, task: Task) -> Iterator[str]:
    """What could only end in a refusal or a failure after the training: key, problem and cure, one a line."""
    if (distil := recipe.distil) is None:
        return
    if distil.release and recipe.evaluate.control:
        yield (
            "evaluate.control compares the candidate with a fine-tuned model, and distil.release makes it a student; "
            "set evaluate.control to false"
        )
    yield from _beside_task(distil, task)
    yield from _student_itself(distil, task)


def _beside_task(distil: Distil, task: Task) -> Iterator[str]:
    if task.answer not in ("label", "text"):
        yield f"distil teaches one label of several, or to write, and {task.name} answers with neither; leave it out"
    writes = task.answer == "text"
    if distil.corpus and writes:
        yield f"distil.corpus: texts of a corpus ask for no answer, and {task.name} needs prompts; leave it out"
    elif distil.corpus and len(task.texts) != 1:
        yield f"distil.corpus: texts of a corpus stand alone, and {task.name} reads {len(task.texts)}; leave it out"
    if writes and distil.temperature != type(distil).model_fields["temperature"].default:
        yield f"distil.temperature softens what is said of labels, and {task.name} writes texts; leave it out"


def _student_itself(distil: Distil, task: Task) -> Iterator[str]:
    student = distil.student
    if isinstance(student, str):
        if student.startswith("models:/"):
            yield f"distil.student is {student!r}; it takes hf://org/name, a folder, or {{ scratch = name }}"
    elif student.scratch not in (known := [name for one in task.objectives for name in names(one)]):
        kind = "writer" if task.answer == "text" else "encoder or decoder"
        yield f"distil.student.scratch is {student.scratch!r}, no {kind} of ours; {near_miss(student.scratch, known)}"
    elif distil.sha256 or distil.files_sha256:
        key = "sha256" if distil.sha256 else "files_sha256"
        yield f"distil.{key} is the digest of a student that is found, and this one is made here; leave it out"
