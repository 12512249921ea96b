"""What texts look like, computed in polars: without what hides a copy, empty, garbled, in which script."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

# Anything else than space, control, format and combining characters, and the letters that show nothing
# (Hangul fillers, the empty Braille pattern).
VISIBLE = r"[^\s\p{Z}\p{Cc}\p{Cf}\p{M}\u{115F}\u{1160}\u{3164}\u{FFA0}\u{2800}]"
CONTROL = r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
REPLACEMENT = "\ufffd"
# UTF-8 of two, three and four bytes, each byte read as a character of Latin-1 or Windows-1252.
_BYTE = (
    r"[\x{80}-\x{BF}\x{20AC}\x{201A}\x{0192}\x{201E}\x{2026}\x{2020}\x{2021}\x{02C6}\x{2030}\x{0160}\x{2039}"
    r"\x{0152}\x{017D}\x{2018}\x{2019}\x{201C}\x{201D}\x{2022}\x{2013}\x{2014}\x{02DC}\x{2122}\x{0161}\x{203A}"
    r"\x{0153}\x{017E}\x{0178}]"
)
MOJIBAKE = rf"[\x{{C2}}-\x{{DF}}]{_BYTE}|[\x{{E0}}-\x{{EF}}]{_BYTE}{{2}}|[\x{{F0}}-\x{{F4}}]{_BYTE}{{3}}"
_LATIN = "cs da de en es et fi fr hr hu id it lt lv ms nl no pl pt ro sk sl sv tr vi"
SCRIPTS = {
    "zh": ("Han",),
    "ja": ("Han", "Hiragana", "Katakana"),
    "ko": ("Hangul", "Han"),
    **dict.fromkeys(("ru", "uk", "bg"), ("Cyrillic",)),
    "sr": ("Cyrillic", "Latin"),
    "el": ("Greek",),
    **dict.fromkeys(("ar", "fa", "ur"), ("Arabic",)),
    "he": ("Hebrew",),
    "hi": ("Devanagari",),
    "th": ("Thai",),
    **dict.fromkeys(_LATIN.split(), ("Latin",)),
}


def plain(texts: pl.Series) -> pl.Series:
    """Texts without what hides a copy: case, width, white space and invisible characters."""
    import polars as pl

    ascii_only = texts.str.len_bytes() == texts.str.len_chars()
    places = pl.concat([ascii_only.arg_true(), (~ascii_only).arg_true()])
    folded = pl.concat([_folded_ascii(texts.filter(ascii_only)), _folded(texts.filter(~ascii_only))])
    return folded.gather(places.arg_sort())


def _folded_ascii(texts: pl.Series) -> pl.Series:
    space = r"(?-u:[ \t-\r\x1c-\x1f]{2,}|[\t-\r\x1c-\x1f])"
    return texts.str.to_lowercase().str.replace_all(space, " ").str.strip_chars()


def _folded(texts: pl.Series) -> pl.Series:
    # Upper case first: it has one form for ß and ss, and for both small sigmas.
    folded = texts.str.normalize("NFKC").str.to_uppercase().str.to_lowercase().str.replace_all(r"\p{Cf}+", "")
    return folded.str.replace_all(r"\s{2,}|[^\S ]", " ").str.strip_chars()


def empty(text: pl.Expr) -> pl.Expr:
    """Whether nothing of a text can be seen."""
    return ~text.str.contains(VISIBLE)


def primary_language(lang: pl.Expr) -> pl.Expr:
    """The language of a BCP 47 tag: zh of zh-Hant."""
    return lang.str.extract(r"^([A-Za-z]{2,3})(?:[-_]|$)").str.to_lowercase()


def foreign(text: pl.Expr, language: pl.Expr, languages: Iterable[str]) -> pl.Expr:
    """Whether a text has letters, but none of its language's script; null for a language not known here.

    `languages` are those that `language` can name.
    """
    import polars as pl

    found: pl.Expr = pl.lit(None, pl.Boolean)
    for name in sorted(set(languages) & set(SCRIPTS)):
        script = "".join(rf"\p{{{its}}}" for its in SCRIPTS[name])
        lacks = text.str.contains(r"\p{L}") & ~text.str.contains(f"[{script}]")
        found = pl.when(language == name).then(lacks).otherwise(found)
    return found
