"""Tasks that answer with a text: a decoder that goes on from a prompt, or an encoder-decoder that reads one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.tasks import TASKS
from models.tasks.task import Prediction, Row, Task
from pipelines.augmentation import augmented
from pipelines.base_source import find_named
from pipelines.errors import Refused
from pipelines.examples import Load, Rows, Training, by_chance, passes, training_rows, validated_by, validation
from pipelines.loop_progress import progress
from pipelines.steps import Work

if TYPE_CHECKING:
    from models.baselines import Writer


def training(work: Work) -> Training:
    """A model that writes, the training rows as prompts with their completions, and bits per byte to validate with."""
    from models import encoder_decoder, objectives
    from models.chat import is_laid_out
    from models.writers import load_writer

    rows, held = training_rows(work)
    task = TASKS[work.run.recipe.task]
    rows = augmented(work, task, rows) if work.run.recipe.finetune.augment else rows
    model, tokenizer = load_writer(work.inputs["model"] / "model")
    room = work.run.recipe.finetune.max_length
    pairs = [(task.asked(row), row[task.target]) for row in rows]
    of_pairs = encoder_decoder.pair_plan if model.config.is_encoder_decoder else objectives.completion_plan
    try:
        plan = of_pairs(tokenizer, pairs, room, passes(work))
    except ValueError as error:  # a chat template may refuse what is said
        raise Refused(f"{work.run.recipe.data.examples}: {error}") from None
    model.generation_config.max_new_tokens = most = work.run.recipe.finetune.max_new_tokens
    _tell_of_long(tokenizer, [row[task.target] for row in rows], most)
    print(f"{len(rows):,} prompts to complete; {len(held):,} to validate", flush=True)
    if not model.config.is_encoder_decoder and any(is_laid_out(tokenizer, prompt) for prompt, _ in pairs):
        print("dialogs are laid out by the model's own chat template", flush=True)
    return model, tokenizer, plan, validation(work, _measure(work, tokenizer, held), validated_by(work.run.recipe))


def _tell_of_long(tokenizer: Any, texts: Sequence[str], most: int) -> None:
    from models.generate import too_long

    if cut := too_long(tokenizer, texts, most):
        told = f"{cut:,} of {len(texts):,} texts to learn from have {most} tokens or more, after which an answer is cut"
        print(f"{told}; raise finetune.max_new_tokens, and max_length with it, to have such texts written", flush=True)


def _measure(work: Work, tokenizer: Any, rows: Rows) -> Callable[[Any], dict[str, float]]:
    """Bits per byte, and where the recipe wants texts the task's own metric of so many, drawn by chance."""
    from models.generate import generate
    from models.tasks.texts import judged

    task, most = TASKS[work.run.recipe.task], work.run.recipe.finetune.validation_texts
    bits = bits_measure(task, tokenizer, rows)
    if not most:
        return bits
    chosen = [rows[n] for n in by_chance(rows)[:most]]

    def written(model: Any) -> dict[str, float]:
        answers = generate(model, tokenizer, [task.asked(row) for row in chosen], progress("texts"))
        return {task.primary: round(task.metrics(judged(task, chosen, answers))[task.primary], 6)}

    return lambda model: bits(model) | written(model)


def bits_measure(task: Task, tokenizer: Any, rows: Rows) -> Callable[[Any], dict[str, float]]:
    """Bits per byte of the completions: writing them all after every epoch would take longer than the training."""
    from models.generate import bytes_read, completion_bits

    prompts, completions = [task.asked(row) for row in rows], [row[task.target] for row in rows]

    def measure(model: Any) -> dict[str, float]:
        bits, size = (
            sum(completion_bits(model, tokenizer, prompts, completions)),
            sum(bytes_read(model, tokenizer, completions)),
        )
        return {"bits_per_byte": round(bits / size, 6)}

    return measure


def finish(_: Work) -> None:
    """Nothing: the weights say all."""


def beside(work: Work) -> dict[str, Any]:
    """The encoder that compares texts by their meaning, if the recipe names one."""
    encoder, key = work.run.recipe.evaluate.encoder, "evaluate.encoder.model"
    return {"encoder": find_named(encoder, encoder.model, work.settings, key) if encoder else None}


def predictions(
    task: Task, folder: Path, rows: Sequence[Row], load: Load | None = None, *, encoder: Path | None = None
) -> list[dict[str, Any]]:
    """What the model writes for each row, and how likely it finds the reference."""
    from models.generate import generate
    from models.writers import load_writer

    model, tokenizer = (load or load_writer)(folder)
    written = generate(model, tokenizer, [task.asked(row) for row in rows], progress("texts"))
    likely = _likelihoods(task, model, tokenizer, rows)
    return [known | found for known, found in zip(likely, _judged(task, rows, written, encoder), strict=True)]


def _likelihoods(task: Task, model: Any, tokenizer: Any, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """How many bits the model needs for each row's reference, or for what it has room for, and of how many bytes."""
    from models.generate import bytes_read, completion_bits

    prompts, references = [task.asked(row) for row in rows], [row[task.target] for row in rows]
    both = zip(
        completion_bits(model, tokenizer, prompts, references), bytes_read(model, tokenizer, references), strict=True
    )
    return [
        {"id": row["id"], "reference": text, "bits": round(bits, 4), "bytes": size}
        for row, text, (bits, size) in zip(rows, references, both, strict=True)
    ]


def rivals(work: Work) -> dict[str, Callable[[Sequence[Row], Sequence[Row]], list[dict[str, Any]]]]:
    """The task's trivial writers, and what the base model knew of the references."""
    from models import baselines as trivial

    task = TASKS[work.run.recipe.task]
    written = partial(_written, task, beside(work)["encoder"])
    writers = {name: partial(written, trivial.WRITERS[name]) for name in task.rivals}
    return writers | {"frozen_base": partial(_known_to, task, work.inputs["base"] / "model")}


def _written(
    task: Task, encoder: Path | None, writer: Writer, train: Sequence[Row], test: Sequence[Row]
) -> list[dict[str, Any]]:
    return _judged(task, test, writer(task, train, test), encoder)


def _judged(task: Task, rows: Sequence[Row], answers: Sequence[str], encoder: Path | None) -> list[dict[str, Any]]:
    """Each answer as a prediction, with its score in meaning where there is an encoder to tell."""
    from models.tasks.texts import judged

    found = judged(task, rows, answers)
    if encoder:
        from models.meaning import bert_scores

        print(f"comparing {len(rows):,} texts with their references in meaning", flush=True)
        scores = bert_scores(encoder, [task.references(row) for row in rows], answers)
        found = [one | {"bert_score": round(score, 6)} for one, score in zip(found, scores, strict=True)]
    return found


def _known_to(task: Task, folder: Path, _: Sequence[Row], test: Sequence[Row]) -> list[dict[str, Any]]:
    """What the base model knew of the references before it saw the domain or the task."""
    from models.writers import load_writer

    return _likelihoods(task, *load_writer(folder), test)


def mistakes(task: Task, predictions: Sequence[Prediction]) -> list[int]:
    """Positions of the answers, those least like their reference first."""
    return sorted(range(len(predictions)), key=lambda n: (predictions[n][task.worst], predictions[n]["id"]))


def shown(task: Task, row: Row, _: Prediction, __: Prediction | None) -> dict[str, Any]:
    """What a person wrote; and what was asked, where that is not one form around one column."""
    return {"reference": row[task.target], **({"asked": task.asked(row).text} if task.ask else {})}
