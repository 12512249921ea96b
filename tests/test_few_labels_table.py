"""The table of few labels says what was measured, and nothing of what was measured in part."""

from pathlib import Path

import pytest

from tests.benchmarks.few_labels import chosen, table
from tests.benchmarks.stepwise import put


def test_a_smaller_choice_lies_within_a_larger_one_and_each_label_has_as_many_rows():
    pool = [{"id": f"{label}{n}", "label": label} for label in "ab" for n in range(20)]
    few, more = chosen(pool, 4, 7), chosen(pool, 8, 7)
    assert {row["id"] for row in few} < {row["id"] for row in more}
    assert [sum(row["label"] == label for row in few) for label in "ab"] == [4, 4]
    assert few != chosen(pool, 4, 8)


def test_a_row_has_the_mean_and_the_spread_and_an_unmeasured_one_is_left_out():
    found = {(8, "head"): [{"accuracy": value} for value in (0.5, 0.75, 0.625)], (16, "full"): [{"accuracy": 1.0}]}
    assert table(found).splitlines() == [
        "| | 8 labels each | 16 labels each |",
        "|---|---|---|",
        "| head | 0.625 (0.500 to 0.750) |  |",
        "| full |  | 1.000 (1.000 to 1.000) |",
    ]


@pytest.mark.parametrize("old", ["", "old\n"])
def test_the_table_takes_the_place_of_the_last_one_and_the_rest_of_the_page_stays(old: str, tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(f"before\n<!-- few_labels.py -->\n{old}<!-- end -->\nafter\n")
    put("new", page, "few_labels.py")
    put("newer", page, "few_labels.py")
    assert page.read_text() == "before\n<!-- few_labels.py -->\nnewer\n<!-- end -->\nafter\n"


def test_a_page_without_a_place_for_the_table_is_left_as_it_is(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- few_labels.py -->\nafter\n")
    with pytest.raises(ValueError, match="where the table stands"):
        put("new", page, "few_labels.py")
    assert page.read_text() == "before\n<!-- few_labels.py -->\nafter\n"
