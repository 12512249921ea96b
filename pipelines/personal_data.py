"""Which texts hold personal data, and of which kinds; never the values themselves."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from typing import TYPE_CHECKING

from pipelines.personal_numbers import has_bank_card, has_cn_id, has_phone, passages

if TYPE_CHECKING:
    import polars as pl

# What a text must hold to be looked at at all: an at sign, seven digits close together, or the start of an address.
# In its raw form, with full-width and mathematical ones: folding every text would cost more than the search.
_DIGIT = r"[0-9\uff10-\uff19\U0001d7ce-\U0001d7ff]"
_HEX = r"[0-9A-Fa-f\uff10-\uff19\uff21-\uff26\uff41-\uff46]"
_LIKELY = (
    rf"[\w+-][@\uff20\ufe6b]\w|(?:{_DIGIT}.{{0,3}}){{6}}{_DIGIT}|(?:{_DIGIT}{{1,3}}[.\uff0e]){{3}}{_DIGIT}"
    rf"|[23\uff12\uff13]{_HEX}{{3}}[:\uff1a](?:{_HEX}|[:\uff1a]){{2}}"
)

_INVISIBLE = re.compile(r"[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_DASH = re.compile(r"[\u2010-\u2015\u2212\u30fb\u30fc]")

# "@2x." is part of a picture's name, "@1.2" a version, "git@" a protocol. Other scripts have addresses too (RFC 6531).
_EMAIL = re.compile(
    r"(?<=[\w+-])(?<!\Wgit)(?<!^git)@(?!\dx\.|\d+\.\d)"
    r"(?:(?:[a-z0-9][a-z0-9-]{0,62}\.)+[a-z]{2,24}(?![a-z0-9_])"
    r"|(?:[\w-]{1,63}\.)+(?:中国|中國|公司|网络|網絡|香港|台湾|台灣|网址))",
    re.IGNORECASE,
)
_V4 = re.compile(
    r"(?:(?<![A-Za-z0-9_.-])|(?<=[iI][pP]))(?<![A-Za-z0-9]/)\d{1,3}(?:\.\d{1,3}){3}(?![A-Za-z0-9_])(?![.-]\d)(?!\s?[版章节条])",
    re.ASCII,
)
_V6 = re.compile(r"(?<![A-Z0-9_:.])[23][0-9A-F]{3}:[0-9A-F:]{2,34}(?![A-Z0-9_:])", re.IGNORECASE)
# Stand-ins for real addresses (RFC 5737, RFC 3849) count, as example.com does for an e-mail address.
_STAND_INS = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
_ADDRESS_WORD = re.compile(
    r"(?:地址|服务器|伺服器|主机|域名|(?<![a-z])(?:ip(?:v[46])?|dns|addr|address|host|server|ping))\D{0,12}$",
    re.IGNORECASE,
)
_NUMBERING_WORD = re.compile(
    r"(?:版本?|固件|章节?|节|第|条"
    r"|(?<![a-z])(?:v|ver|version|release|build|firmware|section|chapter|ec|oid))号?[\W_]{0,3}$",
    re.IGNORECASE,
)
_REACH = 40  # characters before an address in which such a word is looked for


def find(texts: pl.Series) -> pl.DataFrame:
    """Which texts hold personal data: columns position (of the text, from 0) and kind, a row for each pair, sorted.

    The kinds are bank_card, cn_id, email, ip and phone. A missing text holds none. Every text is judged by itself, so
    that a file may be judged in chunks.
    """
    import polars as pl

    likely = texts.str.contains(_LIKELY).fill_null(value=False).arg_true()
    found = [
        (position, kind)
        for position, text in zip(likely, texts.gather(likely), strict=True)
        for kind in _kinds(_folded(text))
    ]
    return pl.DataFrame(found, schema={"position": pl.UInt32, "kind": pl.String}, orient="row")


def has_email(text: str) -> bool:
    """An address with a domain of at least two parts, the last of letters."""
    return "@" in text and _EMAIL.search(text) is not None


def has_ip(text: str) -> bool:
    """An IPv4 or IPv6 address that may be one person's: neither private nor local, and no version or outline number."""
    return any(_is_v4(text, match) for match in _V4.finditer(text)) or any(
        match.group().count(":") - match.group().count("::") > 1 and _is_public(match.group())
        for match in _V6.finditer(text)
    )


def _kinds(text: str) -> list[str]:
    numbers = passages(text)
    holds = {
        "bank_card": any(map(has_bank_card, numbers)),
        "cn_id": any(map(has_cn_id, numbers)),
        "email": has_email(text),
        "ip": has_ip(text),
        "phone": any(map(has_phone, numbers)),
    }
    return [kind for kind, held in holds.items() if held]


def _folded(text: str) -> str:
    """One form of every digit, dash and space; nothing invisible."""
    if text.isascii():
        return text
    return _INVISIBLE.sub("", _DASH.sub("-", unicodedata.normalize("NFKC", text)))


def _is_v4(text: str, match: re.Match[str]) -> bool:
    address, before = match.group(), text[max(0, match.start() - _REACH) : match.start()]
    # Numbers of sections are small in all their parts.
    outline = all(int(part) < 30 for part in address.split("."))
    return (
        _is_public(address)
        and not _NUMBERING_WORD.search(before)
        and (not outline or bool(_ADDRESS_WORD.search(before)))
    )


def _is_public(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    stand_in = any(address in ipaddress.ip_network(network) for network in _STAND_INS)
    return stand_in or (address.is_global and not address.is_multicast)
