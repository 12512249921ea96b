"""Real data is accepted: warnings are allowed, and each of them is true."""

import pytest

from pipelines.check_files import check_files
from pipelines.limits import Limits
from pipelines.settings import ROOT

DATA = ROOT.parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is not there: it is not part of the project")
FORMS = {
    "cls": "classification",
    "tox": "classification",
    "pair": "pair_classification",
    "sum": "summarisation",
    "mt": "translation",
    "dialog": "dialog",
    "faq": "faq",
    "rewrite": "rewriting",
    "gen": "generation",
    "rec": "recommendation",
    "bias": "bias_pairs",
    "corpus": "unlabeled",
}
# One file of each format that is read in less than a second.
QUICK = {
    "bias_crows_pairs",
    "cls_zh_finance_news_sentiment",
    "dialog_zh_en_chatterbot",
    "faq_zh_simclue_match",
    "gen_zh_ad_copy",
    "mt_wmt22_enzh_zhen",
    "pair_zh_ocnli",
    "rec_movielens_small",
    "rewrite_zh_gec_mucgec",
    "sum_zh_finance_headline",
}
# What is known to be doubtful in these files, counted apart from this project's code.
TRUE = {
    ("cls_en_finphrasebank", "personal_data"): 4,  # telephone numbers of spokesmen
    ("cls_zh_hotel_sentiment", "personal_data"): 1,
    ("dialog_en_dialogsum", "personal_data"): 1,
    ("sum_en_dialogsum", "personal_data"): 1,
    ("cls_zh_iflytek_app", "rarest_label"): 3,
    ("cls_zh_taipei_service_routing", "rarest_label"): 5,
    ("corpus_en_finance_reuters", "timestamps"): 1,  # 1987-03-31T605:12:19
    ("dialog_en_dialogsum", "turn_order"): 1,
    ("dialog_en_dialogsum", "unanswered"): 189,  # as people end their talks
    ("dialog_zh_en_chatterbot", "empty_turns"): 1,
    ("dialog_zh_en_chatterbot", "unanswered"): 50,
    ("faq_en_medquad", "near_copies"): None,  # questions made from templates
    ("gen_en_news_from_headline", "timestamps"): 1,
    ("pair_zh_csl_keywords", "near_copies"): None,  # the same abstract with right and wrong keywords
    ("sum_en_reuters_headline", "timestamps"): 3,  # the same one, and two that are null
    ("sum_zh_finance_headline", "replacement_characters"): 3,
    ("tox_zh_cold", "replacement_characters"): 13,
}


def files():
    found = sorted(DATA.glob("*.jsonl.gz"))
    return [
        pytest.param(path, id=name, marks=() if name in QUICK else pytest.mark.slow)
        for path in found
        for name in [path.name.removesuffix(".jsonl.gz")]
    ]


@pytest.mark.parametrize("path", files())
def test_a_good_file_is_accepted_and_its_warnings_are_true(path):
    name = path.name.removesuffix(".jsonl.gz")
    result = check_files([path], FORMS[name.split("_")[0]], Limits(), say=print)
    assert result.verdict in {"accept", "warn"}, result.findings
    assert result.accepted == result.rows
    known = {check: rows for (file, check), rows in TRUE.items() if file == name}
    assert {finding.check for finding in result.findings} == set(known)
    for finding in result.findings:
        assert known[finding.check] in {None, finding.rows}
