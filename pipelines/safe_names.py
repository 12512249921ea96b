"""Names that come from elsewhere, judged before a file of ours gets one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from unicodedata import category, normalize

LONGEST_PART = 255  # bytes; what Linux and macOS take
LONGEST = 1024


OBJECTIONS: Mapping[str, Callable[[str], object]] = {
    "holds a control character or is not UTF-8": lambda name: any(category(c) in {"Cc", "Cs"} for c in name),
    "is absolute": lambda name: name.startswith("/"),
    "starts with a drive letter": lambda name: re.match(r"[A-Za-z]:", name),
    "holds a backslash": lambda name: "\\" in name,
    "leads out of its folder (..)": lambda name: ".." in name.split("/"),
    "has an empty part": lambda name: {"", "."} & set(name.split("/")),
    f"is longer than {LONGEST} bytes": lambda name: len(name.encode()) > LONGEST,
    f"has a part longer than {LONGEST_PART} bytes": lambda name: max(map(_bytes, name.split("/"))) > LONGEST_PART,
}


def objection(name: str) -> str | None:
    """Why no file below a folder of ours may get this name; None when it may. Parts are divided by "/"."""
    return next((f"its name {words}" for words, applies in OBJECTIONS.items() if applies(name)), None)


def _bytes(part: str) -> int:
    return len(part.encode())


def spelling(name: str) -> str:
    """The same for names that a file system may take for one: case and composition of letters do not count."""
    return normalize("NFC", normalize("NFC", name).casefold())


def folders(names: Iterable[str]) -> set[str]:
    """Every name that must be a folder for these files to have a place."""
    found: set[str] = set()
    for name in names:
        above = name
        while "/" in above and (above := above.rpartition("/")[0]) not in found:
            found.add(above)
    return found


def shown(name: str) -> str:
    """A name for a message: quoted, one line, at most 80 characters."""
    text = repr(name)
    return text if len(text) <= 80 else f"{text[:76]}...{text[-1]}"
