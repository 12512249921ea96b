"""CSV is read as RFC 4180 says, strictly; what is wrong has its line."""

import pytest

from pipelines.containers import Unreadable
from pipelines.formats import FORMATS
from pipelines.reading import read_blocks
from tests.row_files import LIMITS, put, read


def csv(*cells):
    return "\r\n".join(cells).encode() + b"\r\n"


def test_a_quoted_text_may_go_over_lines_and_rows_keep_the_line_they_begin_on(tmp_path):
    content = csv("id,text,label,lang", '1,"one, ""two""\nthree",a,en', "2,four,,en", "3,five,b,en")
    assert read(put(tmp_path, "a.csv", content)) == (2, 3, {"types": [4]})


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        (csv("id,text,label,lang", "1,x,a,en", "2,x,a", "3,x,a,en,more"), {"csv": [3, 4]}),
        (csv("id,text,label,lang", "1,x,a,en", '2,"x"y,a,en'), {"csv": [3]}),
        (csv("id,text,label,lang", "1,x,a,en", '2,"x,a,en'), {"csv": [3]}),
        (csv("id,text,lang", "1,x,en"), {"missing_fields": [2]}),
    ],
)
def test_a_row_that_is_no_csv_has_its_place(tmp_path, content, faults):
    assert read(put(tmp_path, "a.csv", content))[2] == faults


def test_a_byte_order_mark_is_left_out_of_a_csv_header_and_said(tmp_path):
    path = put(tmp_path, "a.csv", b"\xef\xbb\xbf" + csv("id,text,label,lang", "1,x,a,en"))
    (block,) = read_blocks(path, FORMATS["classification"], LIMITS, keep=True)
    assert (len(block.frame), block.notes) == (1, {"bom": 1})


def test_a_header_that_names_a_column_twice_is_refused(tmp_path):
    with pytest.raises(Unreadable, match="names 'text' twice"):
        read(put(tmp_path, "a.csv", csv("id,text,text,label,lang", "1,x,y,a,en")))


def test_numbers_and_lists_in_csv_are_json(tmp_path):
    head = "id,user_id,item_id,title,text,rating,label,timestamp"
    content = csv(head, "1,u,i,t,x,4.5,1,828212412", "2,u,i,t,x,4,1.0,828212412", "3,u,i,t,x,four,1,828212412")
    assert read(put(tmp_path, "a.csv", content), "recommendation") == (1, 3, {"types": [3, 4]})
    cells = ['"1,""x"":2"', "1 2", "1}", "NaN", "1e999", "[1]", "99999999999999999999", ""]
    content = csv(head, *(f"{n},u,i,t,x,4,{cell},828212412" for n, cell in enumerate(cells)))
    assert read(put(tmp_path, "c.csv", content), "recommendation") == (0, 8, {"types": [2, 3, 4, 5, 6, 7, 8, 9]})
    content = csv("id,lang,messages", '1,en,"[{""role"": ""user"", ""content"": ""Hi""}]"', "2,en,Hi")
    assert read(put(tmp_path, "b.csv", content), "dialog") == (1, 2, {"types": [3]})
