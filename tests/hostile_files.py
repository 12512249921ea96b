"""Files that nobody would send on purpose, or that somebody would: Hypothesis strategies for their bytes.

Rows are nearly right: an example of their format, some of its values replaced, written as JSON, CSV or Parquet, packed,
and damaged before or after packing.
"""

import csv
import gzip
import io
import json
import tarfile
import zipfile
from typing import NamedTuple

from hypothesis import strategies as st

from pipelines.formats import FORMATS


class File(NamedTuple):
    """Bytes under a name, and the format that they are read as."""

    name: str
    form: str
    content: bytes


# What breaks parsers, as text of a JSON value.
TOKENS = (
    *("NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e-999", "-0", "-0.0", "01", "1.", ".5", "+1", "0x1", "1e5"),
    *("null", "true", "True", "None", "undefined", "'a'", '"', '""', "{", "}", "{}", "[", "]", "[]", "[,]", '{"a":1,}'),
    *("9007199254740993", "9223372036854775808", "-9223372036854775809", "18446744073709551616", "9" * 400, "9" * 5000),
    *('"\\ud800"', '"\\udc00\\ud800"', '"\\ud83d\\ude00"', '"\\u0000"', '"\\x"', '"\\u12"', '"a\tb"', '"a\x7fb"'),
    *('{"x":1,"x":2}', '{"x":NaN}', '{"":{}}', "[1,null]", '[1,"a"]', "[[[[[[[[1]]]]]]]]", "[{},{}]", '{"a":[null]}'),
    *("[" * 200 + "]" * 200, "[" * 100_000, '{"a":' * 150 + "1" + "}" * 150, "[" + "1," * 300 + "1]"),
)
# What damages bytes.
PIECES = (
    *(b"\0", b"\n", b"\r", b"\r\n", b"\n\n", b"\t", b"\x0b", b"\x0c", b" ", b'"', b'""', b"\\", b",", b":", b"{", b"}"),
    *(b"[", b"]", b"\xff", b"\xfe", b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5", b"\xe2\x80\xa8", b"\xc2\x85"),
    *(
        b"\xef\xbb\xbf",
        "你好".encode("gb18030"),
        "é".encode("latin-1"),
        b"\x1f\x8b\x08\0",
        b"\x28\xb5\x2f\xfd",
        b"PAR1",
    ),
    *(b"NaN", b"}\n{", b"}{", b'"id":"x",', b"\\ud800", b"0" * 200, b"x" * 3000, b"\0" * 512, b"\n" * 300),
)

ODD = st.sampled_from(
    ("", " ", "\u3000", "\u200b", "\0", "\r", "\n", "a\r\nb", '"', '""', ",", "\u2028", "\ufeff", "\x7f", "é", "你好",
     "😀", "\U0010ffff", "e\u0301", "=1+1", "2018-03-15", "2018-13-99", "9999-12-31T23:59:60Z",
     "a@example.com", "x" * 2500, "heldout", "zh-Hant", "null", "0")
)  # fmt: skip
TEXTS = st.one_of(ODD, st.text(max_size=12))
NUMBERS = st.one_of(
    st.integers(-5, 5),
    st.integers(),
    st.sampled_from((2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**30, 10**400)),
    st.floats(allow_nan=False, allow_infinity=False),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(st.sampled_from("ab"), TEXTS), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = st.one_of(
    st.sampled_from(("id", "text", "label", "lang", "licence", "timestamp", "refs", "split", "n", "")), TEXTS
)


@st.composite
def rows(draw, form, wrong=True):
    """A row of a format, most of its values as they should be."""
    row = dict(FORMATS[form].model_config["json_schema_extra"]["examples"][0])
    row["id"] = draw(st.one_of(st.sampled_from("abc"), TEXTS))
    for name in draw(st.lists(st.sampled_from(sorted(row)), max_size=2)):
        fits = TEXTS if isinstance(row[name], str) else st.integers(-(2**63), 2**63 - 1)
        row[name] = draw(fits if isinstance(row[name], str | int) and draw(st.booleans()) else st.just(row[name]))
    if wrong and draw(st.integers(0, 3)) == 0:
        row[draw(NAMES)] = draw(VALUES)
    if wrong and draw(st.integers(0, 7)) == 0:
        row.pop(draw(st.sampled_from(sorted(row))))
    return row


@st.composite
def json_lines(draw, form):
    """Lines that are, or nearly are, JSON objects of a format."""
    lines = []
    for row in draw(st.lists(rows(form), max_size=6)):
        line = json.dumps(row, ensure_ascii=draw(st.booleans()))
        if draw(st.integers(0, 5)) == 0:
            name = json.dumps(draw(NAMES))
            line = f"{line[:-1]}, {name}: {draw(st.sampled_from(TOKENS))}}}"
        lines.append(line.encode())
    ends = st.sampled_from((b"\n", b"\n", b"\n", b"\r\n", b"\n\n", b" \n", b"\r", b""))
    return b"".join(line + draw(ends) for line in lines)


@st.composite
def csv_rows(draw, form):
    """A table of CSV that is, or nearly is, of a format; what is no text is JSON."""
    found = draw(st.lists(rows(form), max_size=6))
    header = list(dict.fromkeys(name for row in found for name in row)) or ["id"]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator=draw(st.sampled_from(("\r\n", "\n"))))
    writer.writerow(header + draw(st.sampled_from(([], [], [], header[:1], [""]))))
    for row in found:
        cells = [row.get(name, "") for name in header]
        writer.writerow([cell if isinstance(cell, str) else json.dumps(cell) for cell in cells])
    return out.getvalue().encode("utf-8", "surrogatepass")


@st.composite
def parquet_rows(draw, form):
    """A Parquet file that is, or nearly is, of a format, in any of the ways that Parquet has for it."""
    import pyarrow as pa
    from pyarrow import parquet

    found = draw(st.lists(rows(form, wrong=False), max_size=6))
    columns = {name: [row.get(name) for row in found] for name in dict.fromkeys(name for row in found for name in row)}
    arrays = {name: pa.array(values) for name, values in columns.items()}
    for name in draw(st.lists(st.sampled_from([*arrays, "more", "when"]), max_size=2)):
        arrays[name] = draw(odd_columns(len(found)))
    names, values = list(arrays), list(arrays.values())
    if names and draw(st.integers(0, 9)) == 0:
        names[-1] = names[0]
    out = io.BytesIO()
    table = pa.Table.from_arrays(values, names)
    packing = draw(st.sampled_from(("none", "snappy", "gzip", "zstd")))
    parquet.write_table(table, out, compression=packing, use_dictionary=draw(st.booleans()), row_group_size=2)
    return out.getvalue()


def odd_columns(count):
    """Columns of types and values that a format does not expect."""
    import pyarrow as pa

    kinds = (
        *((pa.int64(), 2**53 + 1), (pa.uint64(), 2**63), (pa.int8(), -1), (pa.float64(), 1e308), (pa.bool_(), True)),
        *((pa.float64(), float("nan")), (pa.float32(), float("inf")), (pa.float16(), 1.5), (pa.string(), "a\0b")),
        *((pa.large_string(), "x"), (pa.binary(), b"\xff"), (pa.string_view(), "x"), (pa.null(), None)),
        *((pa.timestamp("ns"), 1), (pa.timestamp("us"), 2**60), (pa.date32(), 2**30), (pa.duration("s"), 1)),
        *((pa.decimal128(5, 2), None), (pa.list_(pa.string()), ["a", None]), (pa.struct([("a", pa.int8())]), {"a": 1})),
        *((pa.map_(pa.string(), pa.int8()), [("a", 1)]), (pa.list_(pa.float64()), [float("nan")])),
        *(
            (pa.dictionary(pa.int8(), pa.string()), "x"),
            (pa.time64("ns"), 1),
            (pa.dictionary(pa.int8(), pa.float64()), 1),
        ),
    )
    return st.builds(
        lambda kind, holes: pa.array([None if hole else kind[1] for hole in holes], kind[0]),
        st.sampled_from(kinds),
        st.lists(st.booleans(), min_size=count, max_size=count),
    )


@st.composite
def damaged(draw, content):
    """Bytes, most often with something in them flipped, cut, doubled, taken out, or put in."""
    found = draw(content)
    for _ in range(draw(st.sampled_from((0, 1, 1, 2, 4)))):
        at = draw(st.integers(0, len(found)))
        to = min(len(found), at + draw(st.sampled_from((1, 2, 8, 100))))
        how = draw(st.sampled_from(("flip", "cut", "double", "out", "in", "over")))
        if how == "flip" and at < len(found):
            found = found[:at] + bytes([found[at] ^ (1 << draw(st.integers(0, 7)))]) + found[at + 1 :]
        elif how == "cut":
            found = found[:at]
        elif how == "double":
            found = found[:to] + found[at:]
        elif how == "out":
            found = found[:at] + found[to:]
        elif how in {"in", "over"}:
            piece = draw(st.sampled_from(PIECES))
            found = found[:at] + piece + found[at if how == "in" else to :]
    return found


def gzipped(content):
    return gzip.compress(content, mtime=0)


def in_members(content):
    """Gzip in members of 7 bytes."""
    return b"".join(gzipped(content[at : at + 7]) for at in range(0, len(content), 7)) or gzipped(b"")


def zstd(content):
    import pyarrow as pa

    return pa.Codec("zstd").compress(content, asbytes=True)


PACKINGS = {"": (bytes,), ".gz": (gzipped, in_members), ".zst": (zstd,)}


@st.composite
def files(draw, ending, contents, packings=("", ".gz", ".zst")):
    """A file of rows in one of the forms, damaged before or after packing; now and then any bytes at all."""
    form = draw(st.sampled_from(sorted(FORMATS)))
    bare = damaged(contents(form)) if draw(st.integers(0, 9)) else st.binary(max_size=200)
    packing = draw(st.sampled_from(packings))
    pack = draw(st.sampled_from(PACKINGS[packing]))
    content = pack(draw(bare))
    if packing and draw(st.booleans()):
        content = draw(damaged(st.just(content)))
    return File(f"a{ending}{packing}", form, content)


JSON_FILES = files(".jsonl", json_lines)
CSV_FILES = files(".csv", csv_rows)
PARQUET_FILES = files(".parquet", parquet_rows, ("",))

MEMBERS = st.sampled_from(
    ("a.jsonl", "b.csv", "c/d.jsonl.gz", "A.JSONL", "../e.jsonl", "/f.jsonl", "c", "c/", ".g.jsonl", "h\\i.jsonl",
     "j\0.jsonl", "__MACOSX/k", "l.zip", "x" * 300 + ".jsonl", "你.jsonl", "", ".", "C:m.jsonl")
)  # fmt: skip
KINDS = st.sampled_from(
    (tarfile.REGTYPE, tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE)
)


@st.composite
def tars(draw, form):
    """A tar file with members of every kind."""
    out = io.BytesIO()
    style = draw(st.sampled_from((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT)))
    with tarfile.open(fileobj=out, mode="w", format=style) as tar:
        for name in draw(st.lists(MEMBERS, max_size=3)):
            info = tarfile.TarInfo(name if style != tarfile.USTAR_FORMAT else name[:90])
            info.type, info.linkname = draw(KINDS), "/etc/passwd"
            content = draw(json_lines(form)) if info.isreg() else b""
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


@st.composite
def zips(draw, form):
    """A zip file with members of every kind."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in draw(st.lists(MEMBERS, max_size=3, unique=True)):
            info = zipfile.ZipInfo(name.replace("\0", ""))
            info.compress_type = draw(st.sampled_from((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2)))
            info.external_attr = draw(st.sampled_from((0, 0o100644, 0o120777, 0o040755, 0o010644))) << 16
            archive.writestr(info, draw(json_lines(form)))
    return out.getvalue()


ARCHIVES = st.one_of(
    files(".tar", tars),
    files(".tgz", tars, ("",)).map(lambda f: f._replace(content=gzipped(f.content))),
    files(".zip", zips, ("",)),
)
