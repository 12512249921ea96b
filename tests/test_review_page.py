"""The review page says in both languages what its reader needs, and no word of whose answer is whose."""

import tomllib

import pytest

from pipelines.errors import Refused
from pipelines.judgements import Judgements
from pipelines.page import TEMPLATES
from pipelines.review_page import LANGUAGES, Reviewed, blind, judge, page
from pipelines.settings import read_settings
from tests.evidence import dossier_of

SLICES = [
    {"slice": "topic", "value": value, "n": 40, "judged": judged, "moved": moved,
     "metric": {"value": 0.7, "low": 0.6, "high": 0.8}, "difference": {"value": -0.1, "low": -0.2, "high": -0.01}}
    for value, judged, moved in (("sport", True, "worse"), ("tax", True, "unclear"), ("law", False, "unclear"))
]  # fmt: skip
EXAMPLES = [{"id": "a/1", "input": {"text": "<b>x</b>"}, "candidate": ["one", "two"], "champion": []}]


@pytest.fixture
def settings(tmp_path):
    return read_settings({"SCRIPTORIUM_HOME": str(tmp_path)})


def reviewed(settings, why_not="", **report):
    dossier = dossier_of(settings)
    dossier = dossier.model_copy(update={"report": dossier.report | report})
    return Reviewed(dossier, "ada", why_not, 1, EXAMPLES, Judgements(dossier=dossier.sha256, reviewer="ada"))


def test_both_languages_have_the_same_words():
    words = tomllib.loads((TEMPLATES / "review_words.toml").read_text(encoding="utf-8"))
    assert set(words) == set(LANGUAGES)
    assert set(words["en"]) == set(words["zh"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_slices_that_moved_are_shown_and_no_others(settings, language):
    text = page(reviewed(settings, slices=SLICES), language, "", settings)
    assert "topic: sport" in text
    assert not any(f"topic: {name}" in text for name in ("tax", "law"))
    assert "&lt;b&gt;x&lt;/b&gt;" in text


def test_an_answer_that_is_a_list_of_labels_is_a_text_and_no_example_names_its_models(settings):
    (shown,) = blind(reviewed(settings))
    assert {shown["a"], shown["b"]} == {"one, two", ""}
    assert set(shown) == {"number", "input", "a", "b", "said"}


def test_who_may_not_decide_reads_why_and_can_press_nothing(settings):
    with_reason = reviewed(settings, "ada asked for this run; another reviewer must decide")
    text = page(with_reason, "en", "", settings)
    assert "ada asked for this run" in text
    assert "data-answer" not in text
    assert text.count(" disabled>") == 4
    with pytest.raises(Refused, match="ada asked for this run"):
        judge(with_reason, 0, "a", settings)
    with pytest.raises(Refused, match="language 'de': allowed: en, zh"):
        page(with_reason, "de", "", settings)
