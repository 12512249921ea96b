"""Text of the example: HTML to plain text, sentences and word shingles, the same on every Python and machine."""

from __future__ import annotations

import html
import re

BLOCK = re.compile(
    r"</?(?:p|li|ul|ol|dl|dt|dd|note|important|div|br|h\d|table|tr|td|th|pre|fullname)\b[^>]*>", re.IGNORECASE
)
TAG = re.compile(r"<[^>]*>")
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
# A notice in front of the text ("this is the classic version", "support ends") is not what the text is about.
NOTICE = re.compile(r"^\s*<(note|important)>.*?</\1>", re.DOTALL | re.IGNORECASE)
ABBREVIATIONS = ("e.g.", "i.e.", "etc.", "vs.", "cf.", "approx.", "no.", "fig.", "al.", "inc.", "dr.")
SENTENCE_END = re.compile(r"[.!?][\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9])")
WORD = re.compile(r"[a-z0-9]+")


def html_to_text(source: str) -> str:
    """Plain text with one paragraph a line.

    Regular expressions instead of html.parser, whose results change with security releases of Python.
    """
    text = TAG.sub("", BLOCK.sub("\n", COMMENT.sub("", source)))
    lines = (" ".join(line.split()) for line in html.unescape(text).split("\n"))
    return "\n".join(line for line in lines if line)


def without_notice(source: str) -> str:
    """HTML without the notes that stand in front of the text proper."""
    while match := NOTICE.match(source):
        source = source[match.end() :]
    return source


def sentences(paragraph: str) -> list[str]:
    """Split one paragraph at sentence ends, leaving abbreviations whole."""
    found, start = [], 0
    for match in SENTENCE_END.finditer(paragraph):
        piece = paragraph[start : match.end()].strip()
        if piece.lower().endswith(ABBREVIATIONS):
            continue
        found.append(piece)
        start = match.end()
    rest = paragraph[start:].strip()
    return [*found, rest] if rest else found


def words(text: str) -> list[str]:
    return WORD.findall(text.lower())


def plain(text: str) -> str:
    """The spelling under which two texts count as the same: lower-case words and digits."""
    return " ".join(words(text))


def shingles(text: str, size: int) -> frozenset[str]:
    """Runs of `size` words; a text that is shorter is one shingle of its own."""
    found = words(text)
    return frozenset(" ".join(found[i : i + size]) for i in range(max(1, len(found) - size + 1)))
