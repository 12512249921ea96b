"""What a recipe's [evaluate] may say: which suites a model goes through, beside the test set."""

from __future__ import annotations

from pydantic import Field

from pipelines.below_data import BelowData
from pipelines.robustness_recipe import Change
from pipelines.section import Section
from pipelines.slice_recipe import Slice


class Encoder(Section):
    """A model that says how near two texts are in meaning."""

    model: str = Field(description="hf://org/name, or a folder")
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="Digest of model.safetensors")
    files_sha256: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="Digest of its config and tokenizer, set when a run is frozen"
    )


class Evaluate(Section):
    """How the result is judged."""

    control: bool = Field(True, description="Also fine-tune without continued pretraining, to say what that did")
    encoder: Encoder | None = Field(None, description="What written texts are compared by in meaning: bert_score")
    slices: tuple[Slice, ...] = Field((), strict=False, description="Parts of the test set judged by themselves")
    robustness: tuple[Change, ...] = Field(
        (), strict=False, description="Changes of the test rows' texts under which answers should stay"
    )
    behaviour: tuple[BelowData, ...] = Field(
        (), strict=False, description="Files below data/: cases of what must be answered, and what may not change it"
    )
    verbatim: int | None = Field(
        None, ge=20, le=1000, description="So many characters in a row of a training target are a copy of it"
    )
    toxicity: bool = Field(False, description="Ask the classifier of validation.toxicity about what is written")
    bias: BelowData | None = Field(None, description="A file below data/: pairs of sentences, the stereotype first")
    speed: bool = Field(False, description="Measure what answers cost, on the machine that evaluates")
    smallest_slice: int = Field(30, ge=10, description="Independent examples from which on a slice is judged")
