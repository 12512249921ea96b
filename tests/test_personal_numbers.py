"""Numbers that are somebody's are told from others by their check digits, regions and lengths."""

import random

import pytest

from tests.personal_texts import find, kinds


def digits(draw, count):
    return "".join(draw.choices("0123456789", k=count))


def with_another_digit(draw, number):
    place = draw.randrange(len(number))
    return number[:place] + draw.choice("0123456789".replace(number[place], "")) + number[place + 1 :]


def test_identity_numbers_of_any_county_and_day_are_found_and_one_wrong_digit_is_not():
    from stdnum.cn import ric

    draw = random.Random(1)
    for _ in range(300):
        county = draw.choice(["110101", "310104", "440305", "510107", "620102", "110118", "654301"])
        day = f"{draw.randint(1900, 2020)}{draw.randint(1, 12):02}{draw.randint(1, 28):02}"
        body = county + day + digits(draw, 3)
        number = body + ric.calc_check_digit(body + "0")
        assert "cn_id" in kinds(f"身份证{number}。"), number
        wrong = with_another_digit(draw, number[:-1]) + number[-1]
        assert "cn_id" not in kinds(f"身份证{wrong}。"), wrong


def test_a_birthday_in_the_future_or_an_unknown_region_is_no_identity_number():
    from stdnum.cn import ric

    for body in ("99010519491231002", "11010520991231002", "11010518991231002", "11010519490231002"):
        assert kinds(body + ric.calc_check_digit(body + "0")) == []


@pytest.mark.parametrize(
    ("prefix", "length"),
    [("4", 16), ("52", 16), ("2223", 16), ("37", 15), ("6011", 16), ("3566", 16), ("62", 16), ("62", 19)],
)
def test_cards_of_each_issuer_are_found_and_one_wrong_digit_is_not(prefix, length):
    from stdnum import luhn

    draw = random.Random(2)
    for _ in range(50):
        body = prefix + digits(draw, length - len(prefix) - 1)
        number = body + luhn.calc_check_digit(body)
        assert kinds(f"卡号{number}。") == ["bank_card"], number
        assert kinds(f"卡号{with_another_digit(draw, number)}。") == [], number


def test_phone_numbers_of_every_country_are_found_in_international_form():
    import phonenumbers

    forms = phonenumbers.PhoneNumberFormat.INTERNATIONAL, phonenumbers.PhoneNumberFormat.E164
    kinds_of_line = phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE
    texts = [
        f"tel. {phonenumbers.format_number(example, form)}, thanks"
        for region in sorted(phonenumbers.SUPPORTED_REGIONS)
        for line in kinds_of_line
        if (example := phonenumbers.example_number_for_type(region, line))
        for form in forms
    ]
    found = set(find(texts)["position"])
    assert [text for number, text in enumerate(texts) if number not in found] == []
    assert len(texts) > 900


def test_times_versions_hashes_and_rows_of_numbers_never_fire():
    draw = random.Random(3)
    texts = [
        text
        for _ in range(500)
        for text in (
            f"{draw.randint(10**9, 2 * 10**9)}",
            f"{draw.randint(10**12, 2 * 10**12)}",
            f"20{draw.randint(10, 30)}{draw.randint(1, 12):02}{draw.randint(1, 28):02}{digits(draw, 10)}",
            f"{draw.choice('¥$€')}{draw.randint(1, 10**12):,}.{digits(draw, 2)}",
            f"共{draw.randint(1, 10**12)}元",
            f"ISBN 978-7-{digits(draw, 3)}-{digits(draw, 5)}-{digits(draw, 1)}",
            f"v{draw.randint(0, 20)}.{draw.randint(0, 255)}.{draw.randint(0, 255)}.{draw.randint(0, 255)}",
            f"{draw.getrandbits(160):040x}",
            "  ".join(f"{draw.uniform(-1e4, 1e4):.3f}" for _ in range(8)),
            ", ".join(str(draw.randint(1, 10 ** draw.randint(1, 5))) for _ in range(10)),
        )
    ]
    assert [texts[position] for position in find(texts)["position"]] == []
