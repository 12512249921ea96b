"""Whatever a file holds, reading it ends: in rows, and faults with their lines, or in a refusal; memory is bounded."""

import json
from datetime import UTC, datetime

from hypothesis import strategies as st
from pydantic import ValidationError

from pipelines.blocks import LINE, RAW
from pipelines.check_files import read_set
from pipelines.containers import Unreadable
from pipelines.facts import View
from pipelines.faults import FAULTS
from pipelines.formats import FORMATS
from pipelines.limits import Limits
from pipelines.reading import read_blocks
from pipelines.sources import Source, sources
from pipelines.tally import Tally
from tests.hostile_archives import ARCHIVES
from tests.hostile_files import CSV_FILES, JSON_FILES, PACKINGS, PARQUET_FILES, File, damaged, json_lines, rows
from tests.many_inputs import MANY, hold, inputs

LIMITS = Limits(line_bytes=2048)
CHECKS = {check for check, *_ in FAULTS}


def test_the_thorough_tests_try_more_than_ten_thousand_inputs():
    promises = [name for name, found in globals().items() if inputs.mark in getattr(found, "pytestmark", ())]
    assert len(promises) * MANY >= 10_000


def put(folder, file):
    path = folder / file.name
    path.write_bytes(file.content)
    return path


def blocks(folder, file, limits=LIMITS):
    """What was read, or the refusal; nothing else may be raised."""
    found = []
    try:
        found.extend(read_blocks(put(folder, file), FORMATS[file.form], limits, keep=True))
    except Unreadable as refusal:
        assert refusal.check in CHECKS
        assert 0 < len(refusal.message) < 300
        return found, refusal
    return found, None


def ends_well(folder, file):
    """Every row is right or has a fault, once, and each fault its check and line."""
    found, _ = blocks(folder, file)
    before = 0
    for block in found:
        lines = block.frame[LINE].to_list()
        faulty = {fault.line for fault in block.faults}
        assert {fault.check for fault in block.faults} <= CHECKS
        assert block.rows == len(lines) + len(faulty)
        assert not faulty & set(lines)
        assert lines == sorted(set(lines))
        assert not lines or lines[0] > before
        before = lines[-1] if lines else before
        for raw in block.frame[RAW]:
            FORMATS[file.form].model_validate(strict(raw.encode()))


@inputs
def test_any_json_lines_are_read_or_refused(inputs):
    hold(ends_well, inputs, JSON_FILES)


@inputs
def test_any_csv_is_read_or_refused(inputs):
    hold(ends_well, inputs, CSV_FILES)


@inputs
def test_any_parquet_is_read_or_refused(inputs):
    hold(ends_well, inputs, PARQUET_FILES)


def strict(line):
    """The JSON of a line by Python's own parser: RFC 8259, with what it lets pass refused. Raises ValueError."""

    def once(pairs):
        if len(dict(pairs)) < len(pairs):
            raise ValueError(pairs)
        return dict(pairs)

    def refuse(name):
        raise ValueError(name)

    if b"\0" in line:
        raise ValueError(line)
    found = json.loads(line.decode(), parse_constant=refuse, object_pairs_hook=once)
    # A half surrogate has no UTF-8, and a number beyond all floats is infinite.
    json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    return found


def is_right(line, form):
    try:
        FORMATS[form].model_validate(strict(line))
    except (ValueError, ValidationError, RecursionError):
        return False
    return len(line) <= LIMITS.line_bytes


def agrees_with_python(folder, file):
    """Line by line, what is taken is what Python's strict parser and the format's model take, and nothing else."""
    found, refusal = blocks(folder, file)
    if refusal:
        packed, wide = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd"), (b"\xff\xfe", b"\xfe\xff")
        assert file.content.startswith(packed + wide) or (refusal.check == "encoding" and 0 in file.content[:1000])
        return
    lines = file.content.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").split(b"\n")
    numbered = {number: line for number, line in enumerate(lines, 1) if line.strip(b" \t\r")}
    right = {number for number, line in numbered.items() if is_right(line, file.form)}
    assert {number for block in found for number in block.frame[LINE]} == right
    assert {fault.line for block in found for fault in block.faults} == numbered.keys() - right
    for block in found:
        for number, raw in zip(block.frame[LINE], block.frame[RAW], strict=True):
            assert strict(raw.encode()) == strict(numbered[number])
        for name, kept in strict_columns(block, numbered).items():
            assert block.frame[name].to_list() == kept


def strict_columns(block, numbered):
    needed = [name for name in block.frame.columns if block.frame[name].dtype == "String" and "\0" not in name]
    read = [strict(numbered[number]) for number in block.frame[LINE]]
    return {name: [row[name] for row in read] for name in needed if read and all(row.get(name) for row in read)}


PLAIN_JSON = st.sampled_from(sorted(FORMATS)).flatmap(
    lambda form: st.builds(File, st.just("a.jsonl"), st.just(form), damaged(json_lines(form)))
)


@inputs
def test_of_json_lines_exactly_those_are_taken_that_a_strict_parser_and_the_format_take(inputs):
    hold(agrees_with_python, inputs, PLAIN_JSON)


@st.composite
def whole_and_cut(draw):
    """Rows that are right, packed, and how many bytes are missing at the end."""
    found = draw(st.lists(rows("classification", wrong=False), min_size=1, max_size=40))
    found = [
        row | {"id": f"{number}", "label": row["label"] or "a", "lang": row["lang"] or "en"}
        for number, row in enumerate(found)
    ]
    content = "".join(json.dumps(row) + "\n" for row in found).encode()
    ending = draw(st.sampled_from((".gz", ".zst")))
    packed = PACKINGS[ending][0](content)
    return len(found), File(f"a.jsonl{ending}", "classification", packed), draw(st.integers(1, len(packed)))


def is_whole_or_refused(folder, drawn):
    count, file, missing = drawn
    found, refusal = blocks(folder, file)
    assert refusal is None
    assert sum(block.rows for block in found) == count
    cut = file._replace(content=file.content[:-missing])
    found, refusal = blocks(folder, cut)
    assert refusal or not cut.content


@inputs
def test_a_packed_file_is_whole_or_refused_wherever_it_was_cut(inputs):
    hold(is_whole_or_refused, inputs, whole_and_cut())


def stays_inside(folder, file):
    """An archive gives files below its folder, or is refused and gives none."""
    (folder / "scratch").mkdir()
    found = sources([put(folder, file)], folder / "scratch", LIMITS, lambda _: None)
    for source in found:
        if source.path is None:
            assert source.refused.check in CHECKS
            assert len(found) == 1
            continue
        assert source.path.is_file()
        assert not source.path.is_symlink()
        assert source.path.resolve().is_relative_to(folder / "scratch")
        try:
            list(read_blocks(source.path, FORMATS[file.form], LIMITS, keep=True))
        except Unreadable as refusal:
            assert refusal.check in CHECKS
    kept = {path for path in folder.rglob("*") if not path.is_dir()} - {folder / file.name}
    assert kept == {source.path for source in found if source.path} or all(path.name.startswith(".") for path in kept)


@inputs
def test_any_archive_is_unpacked_into_its_folder_or_refused(inputs):
    hold(stays_inside, inputs, ARCHIVES)


def is_judged(folder, file):
    """What was read is looked at by every check of a row, and counted."""
    view = View(FORMATS[file.form], LIMITS, None, datetime(2026, 11, 1, tzinfo=UTC))
    tally = Tally(view, ["a"], folder, None, "evaluation")
    read_set(tally, [Source("a", put(folder, file))], lambda _: None)
    assert sum(tally.aside.values()) + sum(measure.rows for measure in tally.measures.values()) >= 0
    assert tally.set_aside <= tally.rows


@inputs
def test_any_row_that_was_read_can_be_judged(inputs):
    hold(is_judged, inputs, st.one_of(JSON_FILES, CSV_FILES, PARQUET_FILES))
