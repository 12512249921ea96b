"""A stream of bytes as blocks of whole lines of clean UTF-8; what is no text is set aside, with its line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pipelines.containers import Unreadable
from pipelines.limits import MIB

BLOCK = 4 * MIB
LINES = 65_536
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Fault:
    """What is wrong with a line (from 1), or with a whole file (None)."""

    check: str
    line: int | None
    column: str | None
    message: str


@dataclass
class Lines:
    """Whole lines, each ended by a line feed; a line with a fault is left out, its line feed is not."""

    first: int  # number of the first line
    data: bytes
    faults: list[Fault] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)  # "bom" and "crlf": how often they were met


def text_blocks(pieces: Iterable[bytes], longest: int, *, keep_cr: bool) -> Iterator[Lines]:
    """Blocks of about 4 MiB, and of 65,536 lines at most, for a fault of a line takes more memory than a short line.

    Raises Unreadable for UTF-16 and UTF-32, whose lines cannot be told apart.
    """
    for block in _blocks(pieces, longest):
        if block.first == 1:
            _refuse_wide(block.data)
            if block.data.startswith(BOM):
                block.data = block.data[len(BOM) :]
                block.notes["bom"] += 1
        for lines in _parts(block):
            if not keep_cr and b"\r\n" in lines.data:
                lines.notes["crlf"] += lines.data.count(b"\r\n")
                lines.data = lines.data.replace(b"\r\n", b"\n")
            yield _utf8(lines)


def _parts(block: Lines) -> Iterator[Lines]:
    """The same lines, not too many at a time."""
    if block.data.count(b"\n") <= LINES:
        yield block
        return
    first, rest, notes = block.first, block.data, block.notes
    while rest:
        after = len(rest.split(b"\n", LINES)[-1])
        part = Lines(first, rest[: len(rest) - after], notes=notes)
        past = first + part.data.count(b"\n")
        part.faults += [fault for fault in block.faults if first <= (fault.line or 0) < past]
        yield part
        first, rest, notes = past, rest[len(rest) - after :], Counter()


def _blocks(pieces: Iterable[bytes], longest: int) -> Iterator[Lines]:
    """Cut after line feeds; a line longer than `longest` bytes is dropped while it is read."""
    first, size, dropped = 1, 0, 0
    held: list[bytes] = []
    for piece in pieces:
        end = piece.rfind(b"\n") + 1
        if end and (dropped or size + end >= BLOCK):
            lines = _without_long(first, b"".join([*held, piece[:end]]), longest, dropped)
            yield lines
            first += lines.data.count(b"\n")
            held, size, dropped, piece = [], 0, 0, piece[end:]  # noqa: PLW2901
        held.append(piece)
        size += len(piece)
        if size > BLOCK + longest:
            tail = b"".join(held)
            cut = tail.rfind(b"\n") + 1
            if cut:
                lines = _without_long(first, tail[:cut], longest, dropped)
                yield lines
                first, dropped = first + lines.data.count(b"\n"), 0
            dropped += len(tail) - cut if len(tail) - cut > longest else 0
            held = [] if dropped else [tail[cut:]]
            size = sum(map(len, held))
    if size or dropped:
        data = b"".join(held)
        yield _without_long(first, data if data.endswith(b"\n") else data + b"\n", longest, dropped)


def _without_long(first: int, data: bytes, longest: int, dropped: int) -> Lines:
    """Leave out the lines longer than `longest`; `dropped` bytes of the first one were already left out."""
    lines, kept = Lines(first, b""), []
    number, start, at = first, 0, 0
    while at < len(data):
        end = data.rfind(b"\n", at, at + longest + 1)
        if end >= 0 and not (dropped and at == 0):
            at = end + 1
            continue
        end = data.index(b"\n", at)
        size = end - at + (dropped if at == 0 else 0)
        number += data.count(b"\n", start, at)
        what = f"the line has {size:,} bytes, allowed {longest:,}"
        lines.faults.append(Fault("line_too_long", number, None, what))
        kept.append(data[start:at])
        start, at, dropped = end, end + 1, 0
    lines.data = b"".join([*kept, data[start:]])
    return lines


def _utf8(lines: Lines) -> Lines:
    """Leave out the lines with NUL bytes or bytes that are no UTF-8."""
    try:
        if b"\0" not in lines.data:
            lines.data.decode()
            return lines
    except UnicodeDecodeError:
        pass
    kept, perhaps = [], ""
    for number, line in enumerate(lines.data.split(b"\n"), lines.first):
        fault = _fault(number, line, perhaps)
        perhaps = perhaps or (_perhaps(line) if fault and fault.check == "encoding" else "")
        if fault:
            lines.faults.append(fault)
        kept.append(b"" if fault else line)
    lines.data = b"\n".join(kept)
    return lines


def _fault(number: int, line: bytes, perhaps: str) -> Fault | None:
    try:
        if b"\0" in line:
            return Fault("nul_bytes", number, None, f"NUL byte at byte {line.index(0) + 1}")
        line.decode()
    except UnicodeDecodeError as error:
        return Fault("encoding", number, None, f"not UTF-8 at byte {error.start + 1}{perhaps or _perhaps(line)}")
    return None


def _perhaps(line: bytes) -> str:
    """The encoding that would read a line, where one is likely: never used, only named."""
    for name in ("gb18030", "big5", "shift_jis", "euc_kr"):
        try:
            text = line.decode(name)
        except UnicodeDecodeError:
            continue
        wide = [c for c in text if ord(c) > 127]
        if wide and sum("\u2e80" <= c <= "\uffee" for c in wide) > 0.9 * len(wide):
            return f"; it reads as {name}"
    return "; it may be cp1252 or latin-1"


def _refuse_wide(data: bytes) -> None:
    start = data[:1000]
    marks = {b"\xff\xfe\0\0": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\0\0\xfe\xff": "utf-32"}
    name = next((name for mark, name in marks.items() if start.startswith(mark)), None)
    if name is None and start.count(0) > len(start) / 4:
        name = "utf-16-le" if start[1::2].count(0) > start[::2].count(0) else "utf-16-be"
    if name:
        message = f"line 1 is not UTF-8 but looks like {name}"
        raise Unreadable("encoding", message, f"convert it, for example: iconv -f {name} -t utf-8")
