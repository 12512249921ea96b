"""The cached steps: which function makes what, from which inputs and which part of the recipe."""

from __future__ import annotations

import importlib
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines import mirror
from pipelines.artifact import key_of, publish, seal
from pipelines.artifact_root import uri_of
from pipelines.errors import Refused
from pipelines.locks import lock
from pipelines.run import Run, read_run
from pipelines.settings import Settings, read_settings
from pipelines.step_key import code_hash, recipe_values


@dataclass(frozen=True)
class Step:
    """How an artifact is made. `function` names module:function, imported only when it must run."""

    function: str
    inputs: tuple[str, ...]
    fields: tuple[str, ...]
    optional: tuple[str, ...] = ()
    version: int = 1


@dataclass(frozen=True)
class Work:
    """What a step's function gets: folders of this machine. It reads `inputs`, writes `out`, may keep checkpoints."""

    run: Run
    inputs: Mapping[str, Path]
    out: Path
    checkpoints: Path
    settings: Settings
    run_uri: str


# What is measured of earlier domains; how much of them is replayed is the pretraining's to know.
EARLIER = ("data.earlier.name", "data.earlier.corpus")
# What the base step's own training takes from the section of the next one.
BASE_TRAINING = ("objective", "batch_tokens", "accumulation", "block", "mask", "masking")
# What the validation reads beside the rows.
AUGMENT_FILES = ("finetune.augment.synonyms", "finetune.augment.slots")
# All of [distil] but whether the student is released: that teaches it nothing.
STUDENT = ("student", "sha256", "files_sha256", "temperature", "weight", "corpus", "epochs", "learning_rate")
# What the test rows must have something for, or the data a file.
PARTS = ("evaluate.slices", "evaluate.robustness", "evaluate.behaviour", "evaluate.bias")
# What a report looks at, beside the model.
SUITES = ("evaluate.speed", "evaluate.verbatim", "evaluate.toxicity", "validation.toxicity")
SEEN = ("evaluate.encoder", "evaluate.smallest_slice", *PARTS, *SUITES)
STEPS: dict[str, Step] = {
    "dataset": Step("pipelines.dataset:dataset", (), ()),
    "validate": Step(
        "pipelines.validate:validate",
        ("dataset",),
        ("data", "task", "validation", "finetune.auxiliary", *PARTS, *AUGMENT_FILES),
    ),
    "base": Step(
        "pipelines.base_model:base",
        ("dataset", "validation"),
        ("data.corpus", "data.replay.corpus", *EARLIER, "base", *(f"pretrain.{key}" for key in BASE_TRAINING)),
    ),
    "pretrain": Step(
        "pipelines.pretrain:pretrain",
        ("dataset", "base"),
        ("data.corpus", "data.replay", "data.earlier", "pretrain"),
    ),
    "finetune": Step(
        "pipelines.finetune:finetune",
        ("dataset", "model"),
        ("data.examples", "data.corpus", "task", "language", "pretrain.objective", "finetune"),
    ),
    "distil": Step(
        "pipelines.distil:distil",
        ("dataset", "teacher"),
        (
            *("data.examples", "data.corpus", "data.replay.corpus", "task"),
            *(f"distil.{key}" for key in STUDENT),
            *(f"finetune.{key}" for key in ("batch_size", "accumulation", "max_length")),
        ),
    ),
    "score": Step("pipelines.score:score", ("dataset", "model"), ("data.examples", "task", "evaluate.encoder")),
    "robustness": Step(
        "pipelines.robustness:robustness",
        ("dataset", "model"),
        ("data.examples", "task", "evaluate.encoder", "evaluate.robustness"),
    ),
    "behaviour": Step(
        "pipelines.behaviour:behaviour",
        ("dataset", "model"),
        ("data.examples", "data.labels", "task", "evaluate.behaviour"),
    ),
    "bias": Step(
        "pipelines.bias:bias", ("dataset", "adapted", "tuned"), ("evaluate.bias", "task", "pretrain.objective")
    ),
    "speed": Step("pipelines.speed:speed", ("dataset", "model"), ("data.examples", "task")),
    "baselines": Step(
        "pipelines.score:baselines",
        ("dataset", "base"),
        ("data.examples", "task", "pretrain.objective", "evaluate.encoder"),
    ),
    "retention": Step(
        "pipelines.retention:retention",
        ("dataset", "adapted", "tuned"),
        ("data.corpus", "data.replay.corpus", *EARLIER, "task", "pretrain.objective"),
    ),
    "evaluate": Step(
        "pipelines.evaluate:evaluate",
        ("dataset", "base", "adapted", "tuned"),
        ("name", "description", "data", "task", "base", "pretrain", "finetune", *SEEN),
        optional=("control", "champion", "teacher"),
    ),
}


def make(name: str, run_uri: str, inputs: Mapping[str, str]) -> str:
    """Return the URI of a step's output, making it first unless it is already whole.

    One process at a time makes one key; a killed try leaves checkpoints for the next.
    """
    settings, run = read_settings(), read_run(run_uri)
    facts = made_from(name, run, {n: mirror.manifest_of(uri).digest for n, uri in inputs.items()})
    target = target_of(name, facts, settings)
    uri = uri_of(target, settings)
    with lock(settings.locks / f"{name}-{target.name}", f"another process is making {name} {target.name[:12]}"):
        if mirror.settled(target, settings):
            print(f"{name}: reused {uri}", flush=True)
            return uri
        out, checkpoints = _folders(name, target, settings)
        _make(name, Work(run, {n: mirror.here(u) for n, u in inputs.items()}, out, checkpoints, settings, run_uri))
        seal(out, name, facts, dict(inputs))
        publish(out, target)
        shutil.rmtree(out.parent)
        mirror.send(target, settings)
    print(f"{name}: made {uri}", flush=True)
    return uri


def made_from(name: str, run: Run, digests: Mapping[str, str]) -> dict[str, str]:
    """Everything the output of a step depends on, the digests of its inputs included; its hash is the step's key.

    Raises Refused when an input is missing, or is none of the step's.
    """
    step = STEPS[name]
    require_inputs(name, digests, step.inputs, step.optional)
    return {
        "step": f"{name}@{step.version}",
        "code": code_hash(step.function.split(":")[0]),
        "lock": run.lock_sha256,
        "seed": str(run.recipe.seed),
        **({"refresh": run.run_id} if run.refresh else {}),
        **({"dataset_md5": run.dataset_md5} if name == "dataset" else {}),
        **recipe_values(run.recipe, step.fields),
        **{f"input.{n}": digest for n, digest in digests.items()},
    }


def require_inputs(name: str, given: Iterable[str], needed: Iterable[str], optional: Iterable[str] = ()) -> None:
    """Refuse a step whose inputs are not those that it needs: a task marked as success by hand hands nothing on."""
    given, needed = set(given), set(needed)
    if missing := sorted(needed - given):
        raise Refused(
            f"{name} needs {missing[0]}, and got none: was the task that makes it marked as success by hand? "
            "Clear that task, so that it runs"
        )
    if unknown := sorted(given - needed - set(optional)):
        raise Refused(f"{name} takes no {unknown[0]}; it takes {', '.join(sorted(needed | set(optional)))}")


def target_of(name: str, facts: dict[str, str], settings: Settings) -> Path:
    return Path(settings.artifacts) / name / key_of(facts)


def _folders(name: str, target: Path, settings: Settings) -> tuple[Path, Path]:
    work = settings.work / name / target.name
    shutil.rmtree(work / "out", ignore_errors=True)
    (work / "out").mkdir(parents=True)
    (work / "checkpoints").mkdir(exist_ok=True)
    return work / "out", work / "checkpoints"


def _make(name: str, work: Work) -> None:
    module, function = STEPS[name].function.split(":")
    getattr(importlib.import_module(module), function)(work)
