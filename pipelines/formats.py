"""The formats of the data: one model each, with an example."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from models.tasks.rewriting import Kind

# What a column of 64-bit numbers holds; a list is looked at up to its first wrong item, for it may have a million.
Whole = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]
Texts = Annotated[list[str], Field(fail_fast=True)]


def _each_once(labels: list[str]) -> list[str]:
    if len(set(labels)) != len(labels):
        raise ValueError("a label stands there twice; name each once")
    return labels


Labels = Annotated[list[Annotated[str, Field(min_length=1)]], Field(fail_fast=True), AfterValidator(_each_once)]


def _example(**row: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [row]})


class Row(BaseModel):
    """What every row has. Further columns are allowed and kept; a number is not taken for a text.

    TEXTS are what a model reads, ANSWERS what it should write, LABEL what it should choose, one or a list. KEY is what
    makes two rows the same where that is not TEXTS.
    """

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)
    TEXTS: ClassVar[tuple[str, ...]] = ()
    ANSWERS: ClassVar[tuple[str, ...]] = ()
    LABEL: ClassVar[str | None] = None
    KEY: ClassVar[tuple[str, ...]] = ()
    id: str = Field(min_length=1)
    licence: str | None = None


def allowed_values(form: type[Row], column: str) -> tuple[str, ...]:
    """The values of a column that takes no others; empty for one that takes any, or that is none of the format."""
    found = form.model_fields.get(column)
    kinds = (found.annotation, *get_args(found.annotation)) if found else ()
    return next((get_args(kind) for kind in kinds if get_origin(kind) is Literal), ())


class Written(Row):
    """A row in one language: BCP 47, such as en, zh or zh-Hant. Timestamps are ISO 8601 dates, or dates with a time."""

    lang: str = Field(min_length=1)
    timestamp: str | None = None


class Classification(Written):
    """A text and its label."""

    model_config = _example(id="r1", text="Quiet room, friendly staff.", label="positive", lang="en")
    TEXTS = ("text",)
    LABEL = "label"
    text: str
    label: str = Field(min_length=1)


class MultiLabel(Written):
    """A text and every label that is true of it; an empty list says that none is."""

    model_config = _example(id="r1", text="Oil and wheat prices rose.", labels=["crude", "wheat"], lang="en")
    TEXTS = ("text",)
    LABEL = "labels"
    text: str
    labels: Labels


class PairClassification(Written):
    """Two texts and a label."""

    model_config = _example(id="p1", text_a="It rains.", text_b="It is dry.", label="contradiction", lang="en")
    TEXTS = ("text_a", "text_b")
    LABEL = "label"
    text_a: str
    text_b: str
    label: str = Field(min_length=1)


class Summarisation(Written):
    """A document and its summary or headline; `refs` may hold further right answers."""

    model_config = _example(id="s1", document="The bank raised ...", summary="Bank raises rates", lang="en")
    TEXTS = ("document",)
    ANSWERS = ("summary",)
    document: str
    summary: str
    refs: Texts | None = None


class Translation(Row):
    """A text and its translation."""

    model_config = _example(id="t1", source="Hi.", target="嗨。", source_lang="en", target_lang="zh")
    TEXTS = ("source",)
    ANSWERS = ("target",)
    source: str
    target: str
    source_lang: str = Field(min_length=1)
    target_lang: str = Field(min_length=1)
    timestamp: str | None = None


class Message(BaseModel):
    """One turn of a dialog: role is system (only first), user or assistant."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)
    role: str
    content: str


class Dialog(Written):
    """Turns of a user and an assistant, the user's first; `context` may hold what was looked up for the last one."""

    model_config = _example(
        id="d1", messages=[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}], lang="en"
    )
    TEXTS = ("messages",)
    messages: Annotated[list[Message], Field(fail_fast=True)]
    context: Texts | None = None


class Faq(Written):
    """A question and its answer; `negative` may hold a wrong one."""

    model_config = _example(id="f1", question="When do you open?", answer="At nine.", lang="en")
    TEXTS = ("question",)
    ANSWERS = ("answer",)
    question: str
    answer: str
    negative: str | None = None


class Rewriting(Written):
    """A text and a better wording of it; `kind` may say which is asked for, `refs` may hold further right answers."""

    model_config = _example(id="w1", source="He go home.", target="He goes home.", lang="en")
    TEXTS = ("source",)
    ANSWERS = ("target",)
    source: str
    target: str
    kind: Kind | None = None
    refs: Texts | None = None


class Generation(Written):
    """A prompt and the text that should follow it; `attributes` may hold what the text must name, and is asked for."""

    model_config = _example(id="g1", prompt="A skirt, wool, checked", completion="Wrap up warm ...", lang="en")
    TEXTS = ("prompt",)
    ANSWERS = ("completion",)
    prompt: str
    completion: str
    attributes: Texts | None = None


class Recommendation(Row):
    """One interaction of a user with an item; timestamps are Unix seconds."""

    model_config = _example(
        id="i1",
        user_id="u7",
        item_id="m3",
        title="Casino",
        text="Crime|Drama",
        rating=4.0,
        label=1,
        timestamp=828212412,
    )
    TEXTS = ("title", "text")
    LABEL = "label"
    KEY = ("user_id", "item_id")
    user_id: str = Field(min_length=1)
    item_id: str = Field(min_length=1)
    title: str
    text: str
    rating: float = Field(allow_inf_nan=False)
    label: Whole
    timestamp: Whole


class BiasPairs(Written):
    """Two sentences that differ in a group only, the stereotype first; for evaluation, never for training."""

    model_config = _example(id="b1", more="She cooks.", less="He cooks.", category="gender", lang="en")
    TEXTS = ("more", "less")
    more: str
    less: str
    category: str


class Unlabeled(Written):
    """A text of a corpus; rows with split "heldout" measure bits per byte and are never trained on."""

    model_config = _example(id="c1", text="A bucket holds objects.", lang="en", domain="storage")
    TEXTS = ("text",)
    text: str
    domain: str
    split: str = Field("train", pattern="^(train|heldout)$")


FORMATS: Mapping[str, type[Row]] = {
    "classification": Classification,
    "multi_label": MultiLabel,
    "pair_classification": PairClassification,
    "summarisation": Summarisation,
    "translation": Translation,
    "dialog": Dialog,
    "faq": Faq,
    "rewriting": Rewriting,
    "generation": Generation,
    "recommendation": Recommendation,
    "bias_pairs": BiasPairs,
    "unlabeled": Unlabeled,
}
