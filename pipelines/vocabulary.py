"""The words of texts, and in how many of them each stands. Where a script has no spaces, pairs of characters do."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

HEAD = 2_000  # characters of a text that are looked at
HELD = 200_000  # words at once; then the rarer half is forgotten
_SPACELESS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_WORD = rf"[[\p{{L}}\p{{M}}]--[{_SPACELESS}]]{{2,30}}"
_RUN = rf"[{_SPACELESS}]{{2,}}"


class Vocabulary:
    """Words by the number of texts that hold them, in bounded memory: `rare` is what forgotten ones may have had."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.rare = 0

    def add(self, texts: pl.Series) -> None:
        """Count the words of more texts, each once a text."""
        self.counts.update(dict(words_of(texts).unique().get_column("word").value_counts().rows()))
        if len(self.counts) > HELD:
            kept = self.counts.most_common(HELD // 2)
            self.rare += kept[-1][1]
            self.counts = Counter(dict(kept))


def words_of(texts: pl.Series) -> pl.DataFrame:
    """Every word of every text: columns text (its position) and word. A word has letters only, so it is no number."""
    import polars as pl

    frame = pl.DataFrame({"said": texts.str.slice(0, HEAD).str.to_lowercase()}).with_row_index("text")
    said, run = pl.col("said"), pl.col("word")
    words = _exploded(frame, said.str.extract_all(_WORD))
    runs = _exploded(frame, said.str.extract_all(_RUN))
    pairs = [_exploded(runs, run.str.slice(start).str.extract_all(r"\p{L}\p{L}")) for start in (0, 1)]
    return pl.concat([words, *pairs])


def _exploded(frame: pl.DataFrame, words: pl.Expr) -> pl.DataFrame:
    return frame.select("text", words.alias("word")).explode("word").drop_nulls()
