"""Each check of a row finds what it is for, in any format, and nothing else: built rows, one fault at a time."""

import pytest

from pipelines.formats import FORMATS
from pipelines.limits import Limits
from tests.sets_of_rows import found, row, tally, text, with_fault

__all__ = ["found", "tally"]


def test_sound_rows_are_within_every_bound(found):
    assert found(with_fault({})) == {}


NOTHING = [
    "",
    " ",
    "\t\n",
    "\u3000",
    "\u200b",
    "\u200b \u3000\ufeff",
    "\u00a0",
    "\u2060",
    "\u3164",
    "\u2800",
    "\u0301",
    "\x85\u2028",
]


@pytest.mark.parametrize("nothing", NOTHING, ids=ascii)
def test_a_text_of_which_nothing_can_be_seen_is_empty(found, nothing):
    assert found(with_fault({"text": nothing})) == {"empty_texts": ("quarantine", [3])}


@pytest.mark.parametrize("something", [".", "?!", "0", "好", "\U0001f600", "\u200b1"], ids=ascii)
def test_a_text_of_which_something_can_be_seen_is_not_empty(found, something):
    assert found(with_fault({"text": something})) == {}


def test_texts_have_bounds(found):
    limits = Limits(shortest_text=3, longest_text=300)
    rows = [*with_fault({"text": "ab"}), row(40, text="x" * 301)]
    assert found(rows, limits=limits) == {"short_texts": ("quarantine", [3]), "long_texts": ("quarantine", [41])}


def test_few_bad_characters_stay_and_many_are_set_aside(found):
    assert found(with_fault({"text": "a\x08b" + text(90)}, count=300)) == {}
    assert found(with_fault({"text": "a\u0000b"}, count=100)) == {"control_characters": ("quarantine", [3])}
    assert found(with_fault({"text": "a\ufffdb"}, count=300)) == {"replacement_characters": ("warn", [3])}
    assert found(with_fault({"text": "a\ufffdb"}, count=100)) == {"replacement_characters": ("quarantine", [3])}


ENGLISH = "don\u2019t \u201cstop\u201d"


@pytest.mark.parametrize(
    ("garbled", "encoding"),
    [
        ("Das Gerät", "latin-1"),
        ("Das Gerät", "cp1252"),
        (ENGLISH, "latin-1"),  # cp1252 has no character for one of its bytes
        ("Ceci est élevé à 5 €", "latin-1"),
        ("Ceci est élevé à 5 €", "cp1252"),
    ],
)
def test_text_read_in_the_wrong_encoding_is_doubtful(found, garbled, encoding):
    wrong = garbled.encode().decode(encoding)
    assert found(with_fault({"text": f"{wrong} {text(90)}"})) == {"mojibake": ("warn", [3])}
    assert found(with_fault({"text": f"{garbled} {text(90)}", "lang": "de"})) == {}


def test_texts_in_another_script_than_their_language_are_doubtful(found):
    rows = [row(n, text=f"房间{n}很大{n}", lang="zh-Hant") for n in range(20)]
    assert found(rows) == {}
    assert found(rows, lang="en")["other_script"][0] == "warn"
    rows[4:6] = [row(n, text=text(n, 3), lang="zh") for n in (4, 5)]
    assert found(rows) == {"other_script": ("warn", [5, 6])}
    pairs = [
        {"id": f"t{n}", "source": text(n), "target": f"房间{n}", "source_lang": "en", "target_lang": "zh"}
        for n in range(20)
    ]
    assert found(pairs, "translation") == {}
    pairs[2:4] = [pair | {"target": pair["source"]} for pair in pairs[2:4]]
    assert found(pairs, "translation") == {"other_script": ("warn", [3, 4])}


def test_a_licence_is_needed_where_the_recipe_says_so(found):
    rows = [row(n, licence="CC-BY-4.0") for n in range(40)]
    rows[2]["licence"], rows[3]["licence"] = " ", None
    assert found(rows) == {}
    assert found(rows, limits=Limits(licence=True)) == {"licence": ("reject", [3, 4])}


def test_every_format_has_an_example_that_is_of_it():
    for form in FORMATS.values():
        example = form.model_json_schema()["examples"][0]
        form.model_validate(example)
