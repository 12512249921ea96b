"""Rows of JSON lines are read strictly; what is wrong has its line."""

import json
import random
from collections import Counter

import pytest

from pipelines.formats import FORMATS
from pipelines.json_blocks import JsonReader
from pipelines.reading import read_blocks
from pipelines.rows import parse, problems
from pipelines.text_lines import Lines
from tests.row_files import GOOD, LIMITS, lines, put, read, row

NO_JSON = [
    '{"id": "a", "text": "b", "label": "c", "lang": "en", "more": {"x": 1, "x": 2}}',
    '{"id": "a", "text": "b", "label": "c", "lang": "en", "more": 1, "more": 1}',
    '{"id": "a", "text": "b", "label": "c", "lang": "en", "more": [NaN]}',
    '{"id": "a", "text": "b", "label": "c", "lang": "en", "more": -Infinity}',
    '{"id": "a", "text": "b", "label": "c", "lang": "en", "more": 1e999}',
    '{"id": "a", "text": "\\ud800", "label": "c", "lang": "en"}',
    '{"id": "a", "text": "\\udc00\\ud800", "label": "c", "lang": "en"}',
    '{"id": "a", "text": "a\tb", "label": "c", "lang": "en"}',
    '{"id": "a", "text": "b", "label": "c", "lang": "en",}',
    '{"id": "a", "text": "b", "label": "c", "lang": "en"} {}',
    '{"id": "a", "text": "b", "label": "c", "lang": "en", "more": 01}',
    '{"id": "a", "text": "b", "label": "c", "lang": "en"}}',
    '{"id": "a", "text": "b", "label": "c", "lang": "en", "more": ' + "9" * 5000 + "}",
    '{"id": "a", "text": "b", "label": "c", "lang": "en", "more": ' + "[" * 100_000 + "]" * 100_000 + "}",
    "{'id': 'a'}",
    "{",
]


@pytest.mark.parametrize("line", NO_JSON, ids=range(len(NO_JSON)))
def test_a_line_that_is_no_json_has_its_place(tmp_path, line):
    content = GOOD.split(b"\n")
    content[100] = line.encode()
    assert read(put(tmp_path, "a.jsonl", b"\n".join(content))) == (199, 200, {"json": [101]})


def test_an_object_on_two_lines_is_none_even_when_another_line_holds_two(tmp_path):
    content = b'{"id": "a", "text": "b",\n"label": "c", "lang": "en"}\n' + lines([row(1)]).rstrip() + lines([row(2)])
    assert read(put(tmp_path, "a.jsonl", content)) == (0, 3, {"json": [1, 2, 3]})


@pytest.mark.parametrize(
    ("change", "check"),
    [
        ({"label": 1}, "types"),
        ({"label": None}, "types"),
        ({"label": ""}, "types"),
        ({"id": ""}, "types"),
        ({"text": ["a"]}, "types"),
        ({"licence": 3}, "types"),
        ({"timestamp": 1521072000}, "types"),
    ],
)
def test_a_value_of_another_type_is_never_converted(tmp_path, change, check):
    content = lines([row(1), row(2) | change, row(3)])
    assert read(put(tmp_path, "a.jsonl", content)) == (2, 3, {check: [2]})


@pytest.mark.parametrize(
    "change", [{"label": 2**63}, {"timestamp": -(2**63) - 1}, {"rating": 10**400}, {"rating": True}]
)
def test_a_number_that_no_column_holds_is_refused_and_a_large_one_is_taken(tmp_path, change):
    good = FORMATS["recommendation"].model_config["json_schema_extra"]["examples"][0]
    some = [good | {"id": "a", "label": 2**63 - 1, "rating": 2**53 + 1}, good | {"id": "b"} | change]
    assert read(put(tmp_path, "a.jsonl", lines(some)), "recommendation") == (1, 2, {"types": [2]})


@pytest.mark.parametrize(
    ("between", "notes"),
    [
        (b"\n\n", {"blank_lines": 1}),
        (b"\n \t\n\n", {"space_lines": 1, "blank_lines": 1}),
        (b"\r\n\r\n", {"crlf": 2, "space_lines": 1}),
    ],
)
def test_lines_without_a_row_are_left_out_and_counted(tmp_path, between, notes):
    path = put(tmp_path, "a.jsonl", GOOD + lines([row(200)]).rstrip() + between + lines([row(201)]))
    assert read(path) == (202, 202, {})
    blocks = read_blocks(path, FORMATS["classification"], LIMITS, keep=True)
    assert sum((block.notes for block in blocks), Counter()) == notes


def test_further_columns_may_come_and_go_and_change_their_type(tmp_path):
    more = [{}, {"n": 1}, {"n": "x"}, {"n": 2.5, "m": [1]}, {"m": {"a": None}}, {"m": None, "e": []}, {"n": 2**70}]
    content = lines(row(n, **more[n % 7]) for n in range(700))
    assert read(put(tmp_path, "a.jsonl", content)) == (700, 700, {})


def test_whole_blocks_are_right_only_where_every_line_is():
    """Arrow's reading of a block may say "in doubt"; it must never take what the strict reading of a line refuses."""
    chosen = random.Random(1)
    odd = [line.encode() for line in NO_JSON if len(line) < 10_000]
    taken = 0
    odd += [
        b"",
        b" ",
        b"[1]",
        b"1",
        b"null",
        b'"x"',
        b"\x00",
        b"{}",
        b'{"id": 1}',
        b'{"id":"a"}{"id":"b"}',
        b"\xef\xbb\xbf{}",
    ]
    odd += [json.dumps(row(1) | change).encode() for change in ({"label": 1}, {"text": None}, {"x": 1}, {"id": ""})]
    for _ in range(2_000):
        some = [json.dumps(row(n)).encode() for n in range(3)]
        victim = chosen.randrange(3)
        if chosen.random() < 0.3:
            some[victim] = chosen.choice(odd)
        else:
            line = bytearray(some[victim])
            for _ in range(chosen.randint(1, 3)):
                at = chosen.randrange(len(line))
                line[at : at + chosen.randint(0, 2)] = chosen.choice(
                    [b"", b'"', b"{", b"}", b",", b"\\", b"\n", b"1", b"N"]
                )
            some[victim] = bytes(line)
        data = b"\n".join(some) + b"\n"
        reader = JsonReader(FORMATS["classification"], keep=True)
        block = reader._at_once(Lines(1, data))
        if block is not None:
            taken += 1
            rows = [parse(line) for line in data.split(b"\n")[:-1]]
            assert all(isinstance(r, dict) and not problems(r, FORMATS["classification"]) for r in rows), data
            assert block.frame["text"].to_list() == [r["text"] for r in rows]
    assert 100 < taken < 1900, "both ways were taken often"
