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
    files_sha256: str | None = Field(
        None, pattern="^[0-9a-f]{64}$", description="Digest of its config and tokenizer, set when a run is frozen"
    )
    label: str = Field("toxic", description="What it says of a toxic text")
    at_least: float = Field(0.5, gt=0, lt=1, description="How sure it must be")
    rows: int = Field(2000, ge=1, description="Rows of a set that it looks at")
    warn: float = Field(0.01, ge=0, le=1, description="Warn above this share")
    share: float = Field(0.2, ge=0, le=1, description="Refuse above this share")


class Limits(Section):
    """What is refused (bytes, rows, leakage), set aside (bad rows) and warned of (doubtful shares).

    A share is a part of the rows, from 0 to 1. All lengths are characters, all sizes bytes. A row that is set aside is
    kept back when it comes in (docs/your-own-data.md); a version of the data that holds one is refused.
    """

    rows: int = Field(1, ge=1, description="Refuses fewer rows")
    line_bytes: int = Field(MIB, ge=1024, le=64 * MIB, description="Refuses a file with a longer line or row, unread")
    unpacked_bytes: int = Field(64 << 30, ge=MIB, description="Refuses a file that unpacks to more")
    unpacked_ratio: float = Field(100, gt=1, description="Refuses a file that unpacks to more than this times its size")

    quarantined: float = Field(0.1, ge=0, lt=1, description="Refuses all above this share of rows set aside")
    shortest_text: int = Field(1, ge=1, description="Sets rows with a shorter text, or answer, aside")
    longest_text: int = Field(200_000, ge=1, description="Sets rows with a longer text, or answer, aside")
    earliest: str = Field("1900-01-01", description="A date; an earlier timestamp is an impossible one")
    timestamps: float = Field(
        0.001, ge=0, le=1, description="Sets them aside above this share of rows with an impossible one; warns below"
    )
    control_characters: float = Field(
        0.005, ge=0, le=1, description="Sets rows with control characters aside above this share; is silent below"
    )
    replacement_characters: float = Field(
        0.005, ge=0, le=1, description="Sets rows with U+FFFD aside above this share; warns below"
    )
    turn_order: float = Field(
        0.005, ge=0, le=1, description="Sets dialogs out of turn aside above this share; warns below"
    )
    empty_turns: float = Field(
        0.005, ge=0, le=1, description="Sets dialogs with an empty turn aside above this share; warns below"
    )
    personal_data: float = Field(
        0.0025,
        ge=0,
        le=1,
        description="Sets rows with a phone, card or such number aside above this share; warns below; 1: not sought",
    )

    copies: float = Field(0.01, ge=0, le=1, description="Warns above this share of rows that copy an earlier one")
    near_copies: float = Field(
        0.1, ge=0, le=1, description="Warns above this share of rows nearly the same as an earlier one"
    )
    near_duplicates: bool = Field(True, description="Look for what is nearly the same (near_copies, near_leakage)")
    near_rows: int = Field(
        10_000_000, ge=0, lt=2**32, description="Rows looked at for it, at up to 1,300 bytes of disk; warns of more"
    )
    contradictions: float = Field(0.01, ge=0, le=1, description="Warns above this share of texts with two labels")
    rarest_label: float = Field(0.005, ge=0, le=1, description="Warns of a label in fewer rows than this share")
    mojibake: float = Field(0.005, ge=0, le=1, description="Warns above this share of rows with UTF-8 read as Latin-1")
    other_script: float = Field(
        0.05, ge=0, le=1, description="Warns above this share of rows without one letter of their language's script"
    )
    boilerplate: float = Field(
        0.2, ge=0, le=1, description="Warns above this share of rows that begin or end as many others do"
    )
    unordered: float = Field(
        0.01, ge=0, le=1, description="Warns above this share of interactions older than the user's one before"
    )
    cold_items: float = Field(
        0.1, ge=0, le=1, description="Warns above this share of test interactions with items that training never showed"
    )

    toxicity: Toxicity | None = Field(None, description="Not looked for unless a model is named")
    leakage: float = Field(
        0.0, ge=0, le=1, description="Refuses above this share of evaluation texts that training shows too"
    )
    near_leakage: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Refuses above this share of evaluation texts nearly one of training; warns above 0.02",
    )
    answer_leakage: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Refuses above this share of evaluation answers that training or a corpus shows; warns above 0.02",
    )
    corpus_leakage: float = Field(
        0.01, ge=0, le=1, description="Refuses above this share of test texts in a corpus that is trained on"
    )
    licence: bool = Field(False, description="Refuses rows that do not name their licence")

    @field_validator("earliest")
    @classmethod
    def _a_date(cls, text: str) -> str:
        date.fromisoformat(text)
        return text
