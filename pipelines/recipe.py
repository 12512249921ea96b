"""The recipe: one frozen, strict file that says what a content model is."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from pipelines.augment_recipe import Augment
from pipelines.auxiliary_recipe import Auxiliary
from pipelines.below_data import BelowData
from pipelines.distil_recipe import Distil, Scratch
from pipelines.evaluate_recipe import Evaluate
from pipelines.label_prompt import LabelPrompt
from pipelines.limits import Limits
from pipelines.negatives_recipe import HardNegatives
from pipelines.recipe_fit import misfits
from pipelines.schedules import Cron, Ingest
from pipelines.search_space import Search, search_misfits
from pipelines.section import Section
from pipelines.self_training_recipe import SelfTraining
from pipelines.task_name import TaskName

Objective = Literal["masked", "causal", "denoising"]
Method = Literal["full", "head", "lora", "dora", "adalora", "ia3", "bottleneck", "prefix", "prompt"]
Optimizer = Literal["adamw", "sgd", "adafactor"]
Schedule = Literal["linear", "cosine", "constant", "wsd"]
WarmUp = Annotated[float, Field(ge=0, le=0.5, description="Share of the steps in which the learning rate rises")]


class Replay(Section):
    """General text mixed into continued pretraining, so that old knowledge is not forgotten."""

    corpus: BelowData = Field(description="A file below data/: text, with rows held out to measure on")
    share: float = Field(0.1, ge=0, lt=1, description="Share of the training tokens that are replayed text")


class Earlier(Replay):
    """A domain that the base has learned before: it is replayed too, and measured before and after."""

    name: str = Field(pattern="^[a-z][a-z0-9_]{0,40}$", description="What gates and reports call it")
    share: float = Field(0.05, ge=0, lt=1, description="Share of the training tokens that are replayed text")


class Data(Section):
    """Which parts of the versioned data this model learns from."""

    corpus: BelowData = Field(description="Unlabelled text of the domain, below data/")
    examples: BelowData = Field(description="Folder below data/ with train, validation and test .jsonl")
    replay: Replay
    earlier: tuple[Earlier, ...] = Field((), strict=False, description="Domains that the base has learned before")
    on_conflict: Literal["refuse", "replace"] = Field("refuse", description="New rows with the id of an old one")
    labels: tuple[Annotated[str, Field(min_length=1)], ...] | None = Field(
        None, strict=False, min_length=2, description="The labels that examples may have; any when left out"
    )

    @field_validator("labels")
    @classmethod
    def _each_once(cls, labels: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if twice := [label for label, count in Counter(labels or ()).items() if count > 1]:
            raise ValueError(f"{twice[0][:40]!r} stands there twice")
        return labels

    @property
    def corpora(self) -> dict[str, str]:
        """The corpus of each kind of text that is measured: "domain", "general", each earlier domain by its name."""
        return {"domain": self.corpus, "general": self.replay.corpus, **{one.name: one.corpus for one in self.earlier}}


class Base(Section):
    """Where training starts. A pinned digest is always verified."""

    model: str | Scratch = Field(
        description="hf://org/name, a folder, models:/name@champion, models:/name/version, or { scratch = name }"
    )
    sha256: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of model.safetensors; left out, a run is frozen with that of what it finds",
    )
    files_sha256: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="Digest of its config and tokenizer, set when a run is frozen"
    )
    artifact: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="Digest of a promoted artifact (models:/), set when a run is frozen"
    )
    warm_start: bool = Field(False, description="An encoder is the beginning of both halves of an encoder-decoder")
    tokens: int = Field(80_000, ge=0, description="Tokens that fit a missing language-model head, or a scratch model")
    learning_rate: float = Field(1e-3, gt=0, lt=1, description="The highest while `tokens` are learned")


class Pretrain(Section):
    """Continued pretraining on the domain."""

    objective: Objective = Field(description="What is learned of text: hidden tokens, the next one, or hidden spans")
    tokens: int = Field(ge=0, description="Training tokens, replay included; 0 leaves the base as it is")
    learning_rate: float = Field(5e-5, gt=0, lt=1, description="The highest, after the warm-up")
    schedule: Schedule = Field("linear", description="What the learning rate does after its warm-up")
    warm_up: WarmUp = 0.06
    batch_tokens: int = Field(4096, ge=64, description="Tokens of one optimiser step")
    accumulation: int = Field(1, ge=1, description="Parts that a batch is cut into where memory is short")
    block: int = Field(128, ge=16, le=4096, description="Tokens of one training sequence")
    mask: float = Field(0.15, gt=0, lt=1, description="Share of tokens to predict (masked and denoising)")
    masking: Literal["token", "whole_word", "span"] = Field("token", description="What is masked together (masked)")
    method: Literal["full", "lora"] = Field(
        "full", description="All weights learn, or matrices that are merged into them"
    )
    rank: int = Field(16, ge=1, le=512, description="Rank of the matrices of lora")
    new_tokens: int = Field(0, ge=0, le=50_000, description="Tokens that the domain's habits add to the tokenizer")
    ewc: float = Field(0.0, ge=0, le=1e9, description="How much weights that matter for general text are held (lambda)")
    distil: float = Field(0.0, ge=0, le=100, description="How much answers must stay like those of the base")


class Finetune(Section):
    """Training on the task's examples."""

    method: Method = Field("full", description="Which weights learn (docs/methods.md)")
    epochs: int = Field(2, ge=0, le=100, description="How often the rows are read; 0: `prompt` asks the base as it is")
    learning_rate: float = Field(5e-5, gt=0, lt=1, description="The highest, after the warm-up")
    schedule: Schedule = Field("linear", description="What the learning rate does after its warm-up")
    warm_up: WarmUp = 0.06
    batch_size: int = Field(32, ge=1, le=4096, description="Examples of one optimiser step")
    accumulation: int = Field(1, ge=1, description="Parts that a batch is cut into where memory is short")
    max_length: int = Field(128, ge=16, le=4096, description="Tokens after which a text is cut")
    max_new_tokens: int = Field(64, ge=1, le=4096, description="Tokens after which a text that is written is cut")
    weight_decay: float = Field(
        0.01, ge=0, lt=1, description="How much matrices shrink beside each step; vectors do not"
    )
    layer_decay: float = Field(1.0, gt=0, le=1, description="Learning rate of a layer as a share of the one above")
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of activations dropped while training")
    frozen_layers: int | None = Field(
        None, ge=0, description="Lowest layers that stay as they are, the embeddings with them; 0: these alone"
    )
    early_stopping: int = Field(0, ge=0, description="Epochs without a better validation score; 0 never stops")
    validation_texts: int = Field(
        0, ge=0, le=10_000, description="Texts written to validate an epoch by the task's own metric; 0: bits per byte"
    )
    contrastive: int = Field(
        0, ge=0, le=1000, description="Pairs of each example with its label's, and with others; 0: a head is trained"
    )
    self_training: SelfTraining | None = Field(None, description="Sure answers to data.corpus are learned from too")
    augment: Augment | None = Field(None, description="Changed copies of the training rows")
    hard_negatives: HardNegatives | None = Field(None, description="Wrong answers that are near a question")
    prompt: LabelPrompt | None = Field(None, description="Labels as words that the language model is asked for")
    auxiliary: tuple[Auxiliary, ...] = Field((), strict=False, description="Tasks learned in the same training")
    task_temperature: float = Field(
        1.0, ge=1, le=100, description="T: a task's share of the batches is as n^(1/T) of its n examples"
    )
    rank: int = Field(
        16,
        ge=1,
        le=512,
        description="Rank of the matrices of lora, dora and adalora; width of bottleneck's adapters; virtual tokens",
    )
    optimizer: Optimizer = Field("adamw", description="What makes steps of gradients")
    gradient_clipping: float = Field(
        1.0, ge=0, allow_inf_nan=False, description="Length that longer gradients are cut to; 0 cuts none"
    )
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="Share of each right answer spread over all answers")
    class_weights: bool = Field(False, description="Rare labels count more, at most ten times as much as common ones")
    focal: float = Field(0.0, ge=0, le=10, description="Gamma of the focal loss: how little easy examples count")
    r_drop: float = Field(0.0, ge=0, le=100, description="How much two readings under dropout must agree (alpha)")
    fgm: float = Field(0.0, ge=0, le=100, description="How far words move against the model in a second reading")
    freelb: float = Field(0.0, ge=0, le=100, description="How far words move against the model in several readings")
    freelb_readings: int = Field(3, ge=2, le=10, description="Readings of each batch that freelb learns from")
    neftune: float = Field(0.0, ge=0, le=100, description="Noise on the words' embeddings while training (alpha)")


class Gate(Section):
    """One condition on the report. Exactly one of `at_least`, `at_most`, `above`, `not_below`."""

    metric: str = Field(description="A number of the report, such as the task's own metrics (docs/gates.md)")
    at_least: float | None = Field(None, allow_inf_nan=False, description="A limit as it stands")
    at_most: float | None = Field(None, allow_inf_nan=False, description="A limit as it stands")
    above: Literal["baseline"] | None = Field(None, description="Better than the strongest trivial answer")
    not_below: Literal["champion"] | None = Field(None, description="No worse than the model in production")
    margin: float = Field(0.0, ge=0, allow_inf_nan=False, description="How much better, or worse at most")
    slices: bool = Field(False, description="In no slice of evaluate.slices may it clearly be below (not_below)")

    @model_validator(mode="after")
    def _one_condition(self) -> Self:
        given = [k for k in ("at_least", "at_most", "above", "not_below") if getattr(self, k) is not None]
        if len(given) != 1:
            raise ValueError(f"a gate takes exactly one of at_least, at_most, above, not_below; got {given or 'none'}")
        if self.margin and not (self.above or self.not_below):
            raise ValueError(f"margin goes with above or not_below; {given[0]} is a limit as it stands")
        if self.slices and not self.not_below:
            raise ValueError(f"slices goes with not_below; {given[0]} looks at the whole test set")
        return self


class Review(Section):
    """Who may approve, how many of them must, and for how long an approval holds."""

    reviewers: tuple[str, ...] = Field(min_length=1, strict=False, description="Users of Airflow who may answer")
    approvals: int = Field(1, ge=1, le=2, description="People who must approve a release that replaces a champion")
    approvals_for_first_release: int = Field(2, ge=1, le=2, description="The same where no champion is replaced")
    expires_days: int = Field(7, ge=1, le=365, description="Days that a review is open, and an approval holds")
    notify: str | None = Field(None, pattern="^[A-Za-z0-9_.-]+$", description="Airflow connection of type Apprise")
    remind_hours: int = Field(24, ge=1, le=365 * 24, description="How often an open review is brought to mind")


class Retrain(Section):
    """When Airflow starts a run by itself."""

    cron: Cron | None = Field(None, description='Such as "0 3 * * 1": minute, hour, day, month, weekday')
    on_new_data: bool = Field(False, description="After every new version of the data")


class Recipe(Section):
    """What a content model is; all that a new product needs."""

    name: str = Field(pattern="^[a-z][a-z0-9_]{1,60}$", description="That of the file, of the DAG and of the model")
    description: str = Field(description="A sentence for those who start a run or review a model")
    task: TaskName = Field(description="What goes in and comes out (docs/tasks.md)")
    language: tuple[Literal["en", "zh"], ...] = Field(
        ("en",),
        strict=False,
        description="Of the rows; without `lang` they are translated from the first, and labelled in the only",
    )
    seed: int = Field(7, ge=0, description="Of all that is drawn: the same seed, the same model")
    data: Data
    validation: Limits = Limits()
    base: Base
    pretrain: Pretrain
    finetune: Finetune = Finetune()
    distil: Distil | None = None
    evaluate: Evaluate = Evaluate()
    gates: tuple[Gate, ...] = Field((), strict=False, description="What must hold; without one nothing is promoted")
    review: Review
    retrain: Retrain = Retrain()
    ingest: Ingest = Ingest()
    search: Search | None = None

    @property
    def releases_student(self) -> bool:
        """Whether the candidate is the student, and not the fine-tuned model that is its teacher."""
        return self.distil is not None and self.distil.release

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if problems := list(misfits(self)) or list(search_misfits(self)):
            raise ValueError("\n".join(problems))
        return self
