"""Personal data is found however it is written, what only looks like it is left alone, and no value leaves."""

import gzip
import json
from pathlib import Path

import pytest

from tests.personal_texts import find, kinds

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


needs_data = pytest.mark.skipif(not DATA.exists(), reason="the example data in shared/data is not here")


# Real e-mail addresses and phone numbers that whoever prepared the files overlooked.
OVERLOOKED = {
    "cls_en_finphrasebank": ["phone"] * 4,
    "cls_zh_hotel_sentiment": ["email"],
    "dialog_en_dialogsum": ["phone"],
    "sum_en_dialogsum": ["phone"],
}


PERSONAL = {
    "email": """
        test@example.com|邮箱test@example.com谢谢|<JOHN@EXAMPLE.COM>|john.doe+tag@mail.sub.example.co.uk|o'brien@example.ie
        |张三@example.com|用户@例子.公司|test@example.com.cn宾馆
    """,
    "phone": """
        我的手机是13800138000谢谢|138 0013 8000|138-0013-8000|138—0013—8000|138.0013.8000|138 - 0013 - 8000|138 00138000
        |1 3 8 0 0 1 3 8 0 0 0|+86 138 0013 8000|(+86)13800138000|008613800138000|0086-138-0013-8000|86 13800138000
        |Tel13800138000|13800138000,13900139000|13800138000-1234|订单号20240115123456789。电话13800138000
        |138\u200b0013\u200b8000|010-62345678|(010)62345678|0755 2600 1234|+86 10 6234 5678|86-10-62345678
        |021-62345678-801|家里电话01062345678|服务热情 电话010-62345678
        |+1 (415) 555-2671|(415) 555-2671|415-555-2671|415.555.2671|call 4155552671
        |1-415-555-2671|001 415 555 2671|+14155552671|+44 (0)20 7946 0958|0044 20 7946 0958|+852 2345 6789|0912-345-678
        |https://example.com/call?phone=13800138000
    """,
    "cn_id": """
        我31010419040625147X的|31010419040625147x|310104 19040625 147X|310104-19040625-147X|3101 0419 0406 2514 7X
        |房3 31010419040625147X|身份证号码是110105491231002
    """,
    "bank_card": """
        4111111111111111|4111 1111 1111 1111|4111-1111-1111-1111|付款4111111111111111谢谢|4111 1111 1111 1111 123
        |3782 822463 10005|卡号6222021234567890128|card 30569309025904|visa 4222222222222
    """,
    "ip": """
        从123.125.114.144登录|http://123.125.114.144:8080/a|server 8.8.8.8|203.0.113.7|[2606:4700:4700::1111]:443
        |地址2001:4860:4860::8888。|2001:db8::1|::ffff:123.125.114.144
    """,
}


IMPERSONAL = {
    "a business's line": """
        400-812-3456|4008123456|800-820-8820|+1 800 275 2273|95588|10086|客服电话010-62345678|电话01062345678
        |商家电话01062345678|服务热线是010-62345678|callers dial +44 20 7946 0958
    """,
    "what the text calls otherwise": """
        订单号13812345678|订单编号是13812345678|order number 13812345678|order no. 4155552671|订单号4111111111111111
        |order 4111111111111111|ISBN 978-7-111-54742-6|ISBN 9787111547426|ISBN 0-306-40615-2
    """,
    "a time": """
        1700000000|1700000000000|20240115123045|2024-01-15 12:30:45|2008年5月12日|2024:01:15 12:30:45
        |1990 1991 1992 1993
    """,
    "an amount": """
        13800138000元|¥13800138000|13,800,138,000|3.13800138000|4111111111111111.5|2 400 000 000|13800138000%
    """,
    "part of something longer": """
        138001380001|A13800138000|e3b0c44298fc1c149afb13800138000fbf4c|x4111111111111111|31010419040625147X1
        |https://item.example.com/13912345678.html|https://example.com/a?id=13812345678|1-2-3-4-5-6-7-8-9-10-11
        |1 13 14 15 16 17 18
    """,
    "an at sign": """
        @user hi|hello@ example.com|meet me @ noon|icon@2x.png|lodash@4.17.21|git@github.com:a/b.git|好@小明.哈哈|a@b
        |RT @foo.bar: hi
    """,
    "no identity number": "310104190406251470|31010419041325147X|110105491231002",
    "no bank card": "4111111111111112|4222222222222|1234567812345670|490154203237518|8986011111111111111",
    "a version or section": """
        v1.2.3.4|version 100.200.50.60|版本1.2.3.4|1.2.3.4|第1.2.3.4节|Chrome/91.0.172.124|1.3.6.1.4.1.311|EC 3.4.21.112
    """,
    "nobody's address": """
        192.168.1.1|10.0.0.1|127.0.0.1|0.0.0.0|255.255.255.255|172.16.0.1|169.254.1.1|224.0.0.251|256.1.1.1|::1|fe80::1
        |00:1B:44:11:3A:B7|2001:12:30|std::vector
    """,
}


def cases(groups):
    return [
        pytest.param(group, text.strip(), id=f"{group}: {text.strip()}")
        for group, texts in groups.items()
        for text in texts.strip().split("|")
    ]


def wide(text):
    """The text in the full-width forms of Chinese typing."""
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text)


@pytest.mark.parametrize(("kind", "text"), cases(PERSONAL))
def test_personal_data_is_found_however_it_is_written(kind, text):
    assert kinds(text) == [kind]
    assert kinds(wide(text)) == [kind]


@pytest.mark.parametrize(("what", "text"), cases(IMPERSONAL))
def test_what_only_looks_like_personal_data_is_left_alone(what, text):
    assert kinds(text) == [], what
    assert kinds(wide(text)) == [], what


def test_the_answer_says_where_and_which_kind_in_order_and_nothing_else():
    import polars as pl

    texts = ["无", None, "13800138000 test@example.com 4111111111111111", "", "test@example.com a@example.org"]
    assert find(texts).schema == {"position": pl.UInt32, "kind": pl.String}
    assert find(texts).rows() == [(2, "bank_card"), (2, "email"), (2, "phone"), (4, "email")]


@pytest.mark.parametrize("texts", [[], [None], ["good"]])
def test_no_texts_and_no_findings_have_the_same_columns(texts):
    assert find(texts).schema == find(["test@example.com"]).schema
    assert find(texts).is_empty()


def test_chunks_find_what_the_whole_finds():
    texts = [text for values in (PERSONAL | IMPERSONAL).values() for text in values.strip().split("|")]
    parts = [
        (start + position, kind)
        for start in range(0, len(texts), 7)
        for position, kind in find(texts[start : start + 7]).rows()
    ]
    assert parts == find(texts).rows()


@needs_data
def test_exactly_the_rows_with_invented_personal_data_are_found():
    rows = read("broken/b10_pii_1pct")
    expected = json.loads((DATA / "broken" / "b10_pii_rows.json").read_text("utf-8"))["zero_based_rows"]
    found = find([row["text"] for row in rows])
    assert found["position"].unique().sort().to_list() == expected


@needs_data
@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(DATA.glob("*.jsonl.gz")), ids=lambda path: path.name.removesuffix(".jsonl.gz"))
def test_good_files_hold_no_personal_data_but_the_overlooked(path):
    name = path.name.removesuffix(".jsonl.gz")
    texts = [text for row in read(name) for text in strings(row)]
    assert find(texts)["kind"].to_list() == OVERLOOKED.get(name, [])


def read(name):
    with gzip.open(DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8", newline="\n") as file:
        return [json.loads(line) for line in file]


def strings(value):
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return [text for part in inner for text in strings(part)]
