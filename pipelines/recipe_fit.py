"""Whether the parts of a recipe fit each other: what each part allows may still be wrong beside another."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from models.scratch import names
from models.tasks import TASKS
from models.tasks.task import Task
from pipelines.augment_recipe import augment_problems
from pipelines.auxiliary_recipe import auxiliary_problems
from pipelines.behaviour_recipe import behaviour_problems
from pipelines.distil_recipe import student_problems
from pipelines.errors import near_miss
from pipelines.formats import FORMATS
from pipelines.label_prompt import prompt_problems
from pipelines.negatives_recipe import negatives_problems
from pipelines.robustness_recipe import robustness_problems
from pipelines.safety_recipe import safety_problems
from pipelines.self_training_recipe import self_training_problems
from pipelines.slice_recipe import slice_problems
from pipelines.speed_recipe import speed_problems
from pipelines.suite_metrics import PREFIXES, suite_metrics

if TYPE_CHECKING:
    from pipelines.recipe import Data, Finetune, Gate, Pretrain, Recipe

REGISTRY = "models:/"
# Methods that learn what stands before every text, and nothing in the model.
VIRTUAL = ("prefix", "prompt")
# Measured of every model: what continued pretraining did to bits per byte on held-out text.
# Of written texts, when a recipe names the encoder that it needs.
MEANING = "bert_score"
CHANGES = ("bits_per_byte_domain_change", "bits_per_byte_general_change")
# What a recipe calls its other texts, and what metrics call them.
TAKEN = ("domain", "general", "corpus", "replay", "train", "validation", "test")


def misfits(recipe: Recipe) -> Iterator[str]:
    """What could only end in a refusal or a failure after the training: key, problem and cure, one a line."""
    task = TASKS[recipe.task]
    yield from _base_problems(recipe, task)
    yield from _pretrain_problems(recipe.pretrain)
    yield from prompt_problems(recipe, task)
    yield from augment_problems(recipe, task)
    yield from self_training_problems(recipe, task)
    yield from negatives_problems(recipe, task)
    yield from auxiliary_problems(recipe, task)
    yield from _earlier_problems(recipe.data)
    yield from student_problems(recipe, task)
    yield from slice_problems(recipe, task)
    yield from robustness_problems(recipe, task)
    yield from behaviour_problems(recipe, task)
    yield from safety_problems(recipe, task)
    yield from speed_problems(recipe)
    if recipe.data.labels is not None and FORMATS[task.format].LABEL is None:
        yield f"data.labels: the rows of the task {task.name} have no label; leave it out"
    if recipe.finetune.batch_size % recipe.finetune.accumulation:
        yield "finetune.accumulation must divide finetune.batch_size"
    tasks = (task, *(TASKS[one.task] for one in recipe.finetune.auxiliary))
    yield from dict.fromkeys(problem for one in tasks for problem in _method_problems(recipe.finetune, one))
    yield from _writing_problems(recipe.finetune, task)
    if recipe.evaluate.encoder and task.answer != "text":
        yield f"evaluate.encoder compares written texts, and {task.name} writes none; leave it out"
    if recipe.evaluate.encoder and recipe.evaluate.encoder.model.startswith(REGISTRY):
        yield f"evaluate.encoder.model takes hf://organisation/name or a folder, not {REGISTRY}"
    for number, gate in enumerate(recipe.gates):
        if gate.metric == MEANING and MEANING in task.measures and not recipe.evaluate.encoder:
            yield f"gates.{number}.metric: {MEANING} needs evaluate.encoder, a model to compare texts by"
        if problem := gate_problem(gate, task, recipe.data):
            yield f"gates.{number}.{problem}"


def _base_problems(recipe: Recipe, task: Task) -> Iterator[str]:
    objective: str = recipe.pretrain.objective
    if objective not in task.objectives:
        needed = " or ".join(map(repr, task.objectives))
        yield f"pretrain.objective is {objective!r}; the task {task.name} needs {needed}"
        objective = task.objective
    if objective == "denoising":
        yield from _two_stacks_problems(recipe.finetune)
    if not isinstance(recipe.base.model, str) and recipe.base.model.scratch not in (known := names(objective)):
        wrong = recipe.base.model.scratch
        yield f"base.model.scratch is {wrong!r}, and the task {task.name} takes another; {near_miss(wrong, known)}"
    if recipe.base.warm_start and (objective != "denoising" or not isinstance(recipe.base.model, str)):
        yield "base.warm_start makes an encoder-decoder, objective 'denoising', of a found encoder; leave it out"
    if recipe.base.artifact and not str(recipe.base.model).startswith(REGISTRY):
        yield f"base.artifact is the digest of a promoted model, {REGISTRY}name; leave it out"


def _pretrain_problems(pretrain: Pretrain) -> Iterator[str]:
    if pretrain.batch_tokens % pretrain.accumulation:
        yield "pretrain.accumulation must divide pretrain.batch_tokens"
    elif (part := pretrain.batch_tokens // pretrain.accumulation) < pretrain.block:
        yield (
            f"pretrain.block is {pretrain.block}, and a part of a batch (batch_tokens / accumulation) has {part} tokens"
            ", fewer than one block; raise batch_tokens, or lower block or accumulation"
        )
    yield from _hiding_problems(pretrain)
    if pretrain.ewc and pretrain.method == "lora":
        yield "pretrain.ewc holds weights that lora does not change; leave ewc out, or set method to 'full'"
    if pretrain.new_tokens:
        yield from _new_token_problems(pretrain)
    if not pretrain.tokens:
        yield from _untrained_problems(pretrain)


def _hiding_problems(pretrain: Pretrain) -> Iterator[str]:
    if pretrain.masking != "token" and pretrain.objective != "masked":
        yield f"pretrain.masking says what a masked objective hides; {pretrain.objective!r} is another; leave it out"
    if pretrain.objective == "causal" and _chosen(pretrain, "mask"):
        yield "pretrain.mask is the share of tokens that are hidden, and 'causal' hides none; leave it out"


def _untrained_problems(pretrain: Pretrain) -> Iterator[str]:
    for key in ("ewc", "distil"):
        if _chosen(pretrain, key):
            yield f"pretrain.{key} holds what training would change, and pretrain.tokens is 0; leave it out"
    for key in ("schedule", "warm_up"):
        if _chosen(pretrain, key):
            yield f"pretrain.{key} paces a training, and pretrain.tokens is 0; leave it out"


def _chosen(pretrain: Pretrain, key: str) -> bool:
    """Whether a key has another value than it has by itself; a frozen recipe names every key."""
    return bool(getattr(pretrain, key) != type(pretrain).model_fields[key].default)


def _new_token_problems(pretrain: Pretrain) -> Iterator[str]:
    if pretrain.objective != "causal":
        yield "pretrain.new_tokens is for a causal objective: another would be asked other things; leave it out"
    if pretrain.method == "lora":
        yield "pretrain.new_tokens are learned by embeddings, which lora does not change; set method to 'full'"
    if not pretrain.tokens:
        yield "pretrain.new_tokens have to be learned, and pretrain.tokens is 0; leave them out"


def _earlier_problems(data: Data) -> Iterator[str]:
    names, files = list(TAKEN), [data.corpus, data.replay.corpus]
    for number, one in enumerate(data.earlier):
        if one.name in names:
            yield f"data.earlier.{number}.name: {one.name!r} is the name of another text; take one of its own"
        if one.corpus in files:
            yield f"data.earlier.{number}.corpus: {one.corpus!r} is another text of this recipe too; name each once"
        names.append(one.name)
        files.append(one.corpus)
    if (replayed := data.replay.share + sum(one.share for one in data.earlier)) >= 1:
        yield f"data.replay and data.earlier replay {replayed:.0%} of the tokens; leave some for the domain"


def _two_stacks_problems(finetune: Finetune) -> Iterator[str]:
    """What counts layers from the bottom, or is laid on words as they come in, is not said of two stacks of layers."""
    asked = {
        "layer_decay": finetune.layer_decay < 1,
        "frozen_layers": finetune.frozen_layers is not None,
        **{key: getattr(finetune, key) for key in ("neftune", "fgm", "freelb")},
        "method": finetune.method in ("head", "bottleneck", *VIRTUAL),
    }
    for key, given in asked.items():
        if given:
            yield f"finetune.{key} is {getattr(finetune, key)!r}, which is not for an encoder-decoder; leave it out"


def _method_problems(finetune: Finetune, task: Task) -> Iterator[str]:
    if task.answer == "labels":
        for key in ("label_smoothing", "class_weights", "focal", "r_drop"):
            if getattr(finetune, key):
                yield f"finetune.{key} is for one answer of several; {task.name} decides about each label; leave it out"
    elif task.answer != "label":
        for key in ("class_weights", "focal"):
            if getattr(finetune, key):
                yield f"finetune.{key} is for tasks that answer with a label; {task.name} does not; leave it out"
    if task.answer == "passage":
        yield from _contrast_problems(finetune, task)
    if finetune.contrastive:
        yield from _few_shot_problems(finetune, task)
    yield from _idle_keys(finetune)


def _writing_problems(finetune: Finetune, task: Task) -> Iterator[str]:
    """Of the recipe's own task alone: auxiliary tasks choose no epoch, and nothing is written for them."""
    if task.answer != "text" and finetune.max_new_tokens != type(finetune).model_fields["max_new_tokens"].default:
        yield f"finetune.max_new_tokens is for tasks that write texts; {task.name} does not; leave it out"
    if finetune.validation_texts and task.validated == task.primary:
        yield f"finetune.validation_texts: epochs of {task.name} are compared by {task.primary} as it is; leave it out"


def _idle_keys(finetune: Finetune) -> Iterator[str]:
    """What another key leaves nothing to do for."""
    if finetune.method in VIRTUAL and finetune.layer_decay != 1:
        yield f"finetune.layer_decay: no layer learns with method {finetune.method!r}; leave it out"
    if finetune.freelb and finetune.fgm:
        yield "finetune.freelb moves words as finetune.fgm does, further on; leave one of them out"
    if not finetune.freelb and finetune.freelb_readings != type(finetune).model_fields["freelb_readings"].default:
        yield "finetune.freelb_readings is for freelb, which is 0; set finetune.freelb, or leave it out"
    if finetune.r_drop and not finetune.dropout:
        yield "finetune.r_drop compares two readings that dropout makes differ; set finetune.dropout to 0.1, say"


def _contrast_problems(finetune: Finetune, task: Task) -> Iterator[str]:
    if finetune.method == "head":
        yield f"finetune.method is 'head', and a model of the task {task.name} has none; take another, such as 'lora'"
    if finetune.label_smoothing:
        yield f"finetune.label_smoothing: {task.name} has no labels to spread an answer over; leave it out"
    if finetune.batch_size < 2 * finetune.accumulation:
        yield (
            f"finetune.batch_size: {task.name} learns from the other answers of a batch, or of each of its parts, and "
            f"there would be none; set it to {2 * finetune.accumulation} or more"
        )


def _few_shot_problems(finetune: Finetune, task: Task) -> Iterator[str]:
    if task.answer != "label" or len(task.texts) != 1:
        yield f"finetune.contrastive is for tasks that give one text one label; {task.name} does not; leave it out"
    if finetune.method == "head":
        yield "finetune.method is 'head', and finetune.contrastive trains what is below it; take 'full', say"
    for key in ("label_smoothing", "class_weights", "focal", "r_drop"):
        if getattr(finetune, key):
            yield f"finetune.{key}: finetune.contrastive learns from pairs, which have no labels to weigh; leave it out"


def gate_problem(gate: Gate, task: Task, data: Data) -> str | None:
    """Why a gate asks for what its task has not, after the key that is wrong; None when it does not."""
    limits = suite_metrics(task)
    if limit := limits.get(gate.metric):
        side = "low" if limit == "at_most" else "high"
        told = f"metric: {gate.metric} is better when it is {side}; it takes {limit}"
        return told if getattr(gate, limit) is None else None
    known = (*task.measures, *CHANGES, *(f"bits_per_byte_{one.name}_change" for one in data.earlier))
    if gate.metric.startswith(PREFIXES):
        known = tuple(limits)
    if gate.metric not in known:
        return f"metric: {task.name} has no metric {gate.metric!r}; {near_miss(gate.metric, known)}"
    if (gate.above or gate.not_below) and gate.metric != task.primary:
        return f"metric: models are compared on {task.primary}; {gate.metric} takes at_least or at_most"
    return None
