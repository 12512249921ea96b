"""Phone numbers, Chinese identity numbers and bank cards within a folded text: a shape first, then the proof."""

from __future__ import annotations

import re
from datetime import UTC, datetime

# A word and what may stand between it and its number.
_OTHER_WORD = re.compile(
    r"(?:(?:订单|訂單|单|單|编|編|流水|货|貨|型|批|案|文|票|工|学|房|运单|快递)(?:编|編|单)?[号號]码?"
    r"|(?<![a-z])(?:order|invoice|tracking|serial|item|sku|isbn|issn|ean|imei|ref|reference|case|ticket|transaction|part)"
    r"(?:\s*(?:no|num|number|id|code))?)[\W_是为]{0,4}$",
    re.IGNORECASE,
)
_PHONE_WORD = re.compile(
    r"(?:电话|電話|手机|手機|联系|聯繫|致电|拨打|传真"
    r"|(?<![a-z])(?:tel|telephone|phone|mobile|cell|call|text|fax|sms|whatsapp))\D{0,12}$",
    re.IGNORECASE,
)
_CARD_WORD = re.compile(
    r"(?:卡|账号|帐号|账户|賬號|银联|(?<![a-z])(?:card|visa|mastercard|amex|unionpay|debit|credit))\D{0,12}$",
    re.IGNORECASE,
)
# A fixed line run together is an enterprise's in all real text we have seen, unless a word says that it is a person's.
_PERSON_WORD = re.compile(
    r"(?:我家|家里|家庭|住宅|本人|我的|联系人|座机|座機|固话|(?<![a-z])(?:my|his|her|home))\D{0,12}$", re.IGNORECASE
)
# Lines that many share.
_SHARED_WORD = re.compile(
    r"(?:客服|服务|服務|咨询|諮詢|投诉|投訴|合作|总机|總機|热线|熱線|专线|專線)(?:部|中心)?"
    r"(?:电话|電話|热线|熱線|专线|專線|号码|號碼)?[\W_是为]{0,4}$"
    r"|(?<![a-z])(?:hotline|customer service|helpline)\D{0,12}$"
    r"|(?<![a-z])(?:dial[- ]in|callers)(?![a-z])[^+]{0,60}$",
    re.IGNORECASE,
)
_ID_WORD = re.compile(r"(?:身份证|身份證|(?<![a-z])id (?:card|number))\D{0,12}$", re.IGNORECASE)
_REACH = 72  # characters before a number in which such a word is looked for
_CLUSTER = re.compile(r"\d(?:\D{0,3}\d){6,}(?=(\D{0,16}\d?))")

# A number in a link is part of an address, unless the link says otherwise; a word may touch its number.
_LINK = re.compile(r"(?:https?://|www\.)[^\s\u2e80-\uffff]+", re.IGNORECASE)
_PHONE_LINK = re.compile(r"tel|phone|mobile", re.IGNORECASE)
_TOUCHING = re.compile(r"(?<![a-z])(tel|phone|mobile|mob|cell|call|fax|card|visa|vx|wx)(?=-?[+(\d])", re.IGNORECASE)

# Not within a longer number, a decimal, a code with letters, or an amount.
_START = r"(?<!\d)(?<!\d[.-])(?<![A-Za-z_$¥€£])(?<![A-Za-z]-)"
_END = r"(?!\d)(?!\.\d)(?![A-Za-z]*\d)(?!\s?(?:元|块|万|亿|美元|日元|円|%|RMB|USD))"

_CN_ID = re.compile(r"(?<!\d)(?=([1-9](?:[ -]?\d){16}[ -]?[\dXx])(?!\d))")
_OLD_CN_ID = re.compile(r"(?<!\d)[1-9]\d{14}(?!\d)")

_CARD_SHAPES = [
    re.compile(_START + shape + _END)
    for shape in (
        r"\d{13,19}",
        r"(?<!\d )\d{4}([ .-])\d{4}\1\d{4}\1\d{4}",
        r"(?<!\d )\d{4}([ .-])\d{4}\1\d{4}\1\d{4}\1\d{1,3}",
        r"(?<!\d )\d{4}([ .-])\d{6}\1\d{4,5}",
        r"(?<!\d )\d{6}[ -]\d{10,13}",
    )
]
# Issuers' ranges (ISO/IEC 7812) with the lengths in use: Visa, Mastercard, American Express, Discover, JCB, UnionPay.
_ISSUED = re.compile(
    r"4\d{15}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}"
    r"|(?:6011|64[4-9]\d|65\d\d)\d{12}|35(?:2[89]|[3-8]\d)\d{12}|62\d{14,17}|9558\d{15}"
)
# Ranges so wide, or lengths so rare, that a word must say it: old Visa, Diners, Maestro, Mir, cards of one bank.
_RARELY_ISSUED = re.compile(
    r"4\d{12}(?:\d{6})?|3(?:0[0-5]|[689]\d)\d{11}|(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{9,15}"
    r"|220[0-4]\d{12}|60\d{14,17}"
)

# Every prefix of China's plan counts: they are opened faster than a pinned library can know.
_CN_PREFIX = r"(?:\(?(?:\+|00)?86\)?[- ]{0,3})?"
_CN_MOBILE = re.compile(
    rf"{_START}{_CN_PREFIX}1[3-9]\d{{9}}{_END}"
    # Groups must not be the middle of a row of numbers.
    rf"|{_START}(?<!\d ){_CN_PREFIX}(?:\(?1[3-9]\d\)?(?:(?:[-. ]| - )?\d{{4}}){{2}}|1[3-9]\d[- ]\d{{3}}[- ]?\d{{5}}"
    rf"|1[3-9]\d\d-\d{{3}}-\d{{4}}|1[3-9]\d{{3}}[- ]\d{{6}}|1(?:[ -]\d){{10}}(?![ -]\d))(?!-\d){_END}"
)
_NATIONAL = {
    "CN": re.compile(rf"{_START}\(?0(?:10|2\d|[3-9]\d\d)\)?[- ]{{0,3}}\d{{3,4}}[- ]?\d{{4}}{_END}"),
    "TW": re.compile(rf"{_START}(?:09\d\d[- ]\d{{3}}[- ]?\d{{3}}|\(?0[2-8]\)?[- ]\d{{3,4}}[- ]\d{{4}}){_END}"),
    "US": re.compile(
        rf"{_START}(?:1[-. ]{{0,2}})?(?:\([2-9]\d\d\)[-. ]{{0,2}}\d{{3}}[-. ]?"
        rf"|[2-9]\d\d([-.])\d{{3}}\1)\d{{4}}(?!-\d){_END}"
    ),
}
# Ten digits alone are a phone number only where a word says so.
_US_PLAIN = re.compile(rf"{_START}(?:1[-. ]?)?[2-9]\d\d[-. ]?\d{{3}}[-. ]?\d{{4}}{_END}")
_INTERNATIONAL = re.compile(
    rf"(?:(?<![A-Za-z0-9+])\+[ (]{{0,2}}|{_START}(?:00(?=\d{{1,3}}[- (]|86)|(?=86-)))"
    r"(\d(?:[ ().-]{0,2}\d){6,14})(?!\d)"
)


def passages(text: str) -> list[str]:
    """The parts of a folded text with at least seven digits close together, and the words around them."""
    text = _LINK.sub(lambda link: link.group() if _PHONE_LINK.search(link.group()) else " ", text)
    text = _TOUCHING.sub(r"\1 ", text)
    found, last = [], 0
    for match in _CLUSTER.finditer(text):
        found.append(text[max(last, match.start() - _REACH) : match.end(1)])
        last = match.end()
    return found


def has_phone(text: str) -> bool:
    """A number that may be one person's, as libphonenumber knows them; hotlines (toll-free, 400, 800) are not."""
    return (
        any(not _is_led(_OTHER_WORD, text, match) for match in _CN_MOBILE.finditer(text))
        or any(_is_international(text, match) for match in _INTERNATIONAL.finditer(text))
        or any(
            _is_national(text, match, region) for region, shape in _NATIONAL.items() for match in shape.finditer(text)
        )
        or any(
            _is_led(_PHONE_WORD, text, match) and _is_line(match.group(), "US") for match in _US_PLAIN.finditer(text)
        )
    )


def has_cn_id(text: str) -> bool:
    """A Chinese identity number: 18 characters with check digit, or 15 digits that the text calls so (GB 11643)."""
    return any(_is_cn_id(_digits(match.group(1))) for match in _CN_ID.finditer(text)) or any(
        _is_led(_ID_WORD, text, match) and _is_birth(match.group()[:6], "19" + match.group()[6:12])
        for match in _OLD_CN_ID.finditer(text)
    )


def has_bank_card(text: str) -> bool:
    """A number of an issuer's range, with its length and check digit, that the text does not call something else."""
    return any(_is_card(text, match) for shape in _CARD_SHAPES for match in shape.finditer(text))


def _digits(text: str) -> str:
    return re.sub(r"[^\dXx]", "", text).upper()


def _is_led(word: re.Pattern[str], text: str, match: re.Match[str]) -> bool:
    return word.search(text[max(0, match.start() - _REACH) : match.start()]) is not None


def _is_national(text: str, match: re.Match[str], region: str) -> bool:
    if _is_led(_OTHER_WORD, text, match) or _is_led(_SHARED_WORD, text, match):
        return False
    told = not match.group().isdigit() or _is_led(_PERSON_WORD, text, match)
    return told and _is_line(match.group(), region)


def _is_international(text: str, match: re.Match[str]) -> bool:
    """Other digits may follow a number: whether it, or a beginning of it that ends with a group, is one."""
    number = match.group(1)
    ends = [group.end() for group in re.finditer(r"\d+", number)]
    return not _is_led(_SHARED_WORD, text, match) and any(_is_line("+" + number[:end], None) for end in reversed(ends))


def _is_line(number: str, region: str | None) -> bool:
    import phonenumbers
    from phonenumbers import PhoneNumberType as Type

    try:
        kind = phonenumbers.number_type(phonenumbers.parse(number, region))
    except phonenumbers.NumberParseException:
        return False
    return kind in {
        Type.FIXED_LINE,
        Type.MOBILE,
        Type.FIXED_LINE_OR_MOBILE,
        Type.VOIP,
        Type.PERSONAL_NUMBER,
        Type.PAGER,
    }


def _is_cn_id(number: str) -> bool:
    from stdnum.cn import ric

    return number[-1] == ric.calc_check_digit(number) and _is_birth(number[:6], number[6:14])


def _is_birth(county: str, day: str) -> bool:
    """A county's number now or once, of whatever years: people born before it was founded carry its number too."""
    from stdnum import numdb

    known = any("county" in facts for _, facts in numdb.get("cn/loc").info(county))
    try:
        born = datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        return False
    return known and born.year >= 1900 and born <= datetime.now(UTC)


def _is_card(text: str, match: re.Match[str]) -> bool:
    from stdnum import luhn

    number = _digits(match.group())
    issued = _ISSUED.fullmatch(number) or (_RARELY_ISSUED.fullmatch(number) and _is_led(_CARD_WORD, text, match))
    return bool(
        issued
        and luhn.is_valid(number)
        and not _is_led(_OTHER_WORD, text, match)
        and not (len(number) == 18 and _is_cn_id(number))
    )
