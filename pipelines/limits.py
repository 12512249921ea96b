"""The limits that data must keep: the recipe's `[validation]`, with defaults that suit most text."""

from __future__ import annotations

from datetime import date

from pydantic import Field, field_validator

from pipelines.section import Section

MIB = 1 << 20


class Toxicity(Section):
    """Looking for toxic texts: which model says so, how many rows it looks at, and how many may be toxic."""

    model: str = Field(description="A recipe whose champion says it, or a classifier's folder (with a /)")
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="Digest of its weights; a run holds it")
    label: str = Field("toxic", description="What it says of a toxic text")
    at_least: float = Field(0.5, gt=0, lt=1, description="How sure it must be")
    rows: int = Field(2000, ge=1, description="Rows of a set that it looks at")
    warn: float = Field(0.01, ge=0, le=1, description="Warn above this share")
    share: float = Field(0.2, ge=0, le=1, description="Refuse above this share")


class Limits(Section):
    """What is refused (bytes, rows, leakage), set aside (bad rows) and warned of (doubtful shares).

    A share is a part of the rows, from 0 to 1. All lengths are characters, all sizes bytes.
    """

    rows: int = Field(1, ge=1, description="Fewer rows than this are refused")
    line_bytes: int = Field(MIB, ge=1024, le=64 * MIB, description="A longer line or row is refused, unread")
    unpacked_bytes: int = Field(64 << 30, ge=MIB, description="A file that unpacks to more is refused")
    unpacked_ratio: float = Field(100, gt=1, description="So is one that unpacks to more than this times its size")

    quarantined: float = Field(0.1, ge=0, lt=1, description="Above this share of rows set aside, all are refused")
    shortest_text: int = Field(1, ge=1)
    longest_text: int = Field(200_000, ge=1)
    earliest: str = Field("1900-01-01", description="An earlier timestamp is a mistake")
    timestamps: float = Field(0.001, ge=0, le=1, description="Rows with an impossible one; more are set aside")
    control_characters: float = Field(0.005, ge=0, le=1, description="Rows that hold one; more are set aside")
    replacement_characters: float = Field(0.005, ge=0, le=1, description="Rows with U+FFFD; more are set aside")
    turn_order: float = Field(0.005, ge=0, le=1, description="Dialogs out of turn; more are set aside")
    empty_turns: float = Field(0.005, ge=0, le=1, description="Dialogs with an empty turn; more are set aside")
    personal_data: float = Field(
        0.0025, ge=0, le=1, description="Rows with a phone, card or other number; more are set aside; 1: not looked for"
    )

    copies: float = Field(0.01, ge=0, le=1)
    near_copies: float = Field(0.1, ge=0, le=1)
    near_duplicates: bool = Field(True, description="Look for texts that are nearly the same")
    near_rows: int = Field(
        10_000_000, ge=0, lt=2**32, description="Rows looked at for it; each takes up to 1,300 bytes of disk"
    )
    contradictions: float = Field(0.01, ge=0, le=1, description="Texts with two labels")
    rarest_label: float = Field(0.005, ge=0, le=1, description="Warn of a label in fewer rows than this")
    mojibake: float = Field(0.005, ge=0, le=1)
    other_script: float = Field(0.05, ge=0, le=1, description="Rows without one letter of their language's script")
    boilerplate: float = Field(0.2, ge=0, le=1, description="Rows that begin or end as many others do")
    unordered: float = Field(0.01, ge=0, le=1, description="Interactions older than the user's one before")
    cold_items: float = Field(0.1, ge=0, le=1, description="Test interactions with items that training never showed")

    toxicity: Toxicity | None = Field(None, description="Not looked for unless a model is named")
    leakage: float = Field(0.0, ge=0, le=1, description="Evaluation texts that training shows too")
    near_leakage: float = Field(0.2, ge=0, le=1, description="Evaluation texts nearly the same as one of training")
    corpus_leakage: float = Field(0.01, ge=0, le=1, description="Test texts in the corpus to pretrain on")
    licence: bool = Field(False, description="Whether every row must name its licence")

    @field_validator("earliest")
    @classmethod
    def _a_date(cls, text: str) -> str:
        date.fromisoformat(text)
        return text
