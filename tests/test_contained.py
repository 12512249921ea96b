"""An evaluation text that a longer text of the corpus holds is found there; turns of phrase are not."""

import gzip
import json

import pytest

from pipelines import contained as module
from pipelines.contained import contained
from pipelines.settings import ROOT

DATA = ROOT.parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the development data is not at {DATA}")
ENGLISH = "The card that I ordered last week has still not arrived, can you tell me where it is?"
CHINESE = "酒店的位置非常好,离地铁站只有五分钟的路程,房间也很干净,下次还会再来。"
FILLER = "This chapter says nothing about the matter, at great length and in many words. " * 50
LONG = "本章内容与此无关,只是用来填充篇幅的文字。" * 50


def read(name):
    with gzip.open(DATA / name, "rt", encoding="utf-8", newline="\n") as file:
        return [json.loads(line)["text"] for line in file]


@pytest.mark.parametrize(
    ("text", "document"),
    [
        (ENGLISH, f"{FILLER}{ENGLISH}{FILLER}"),
        (ENGLISH, f"{FILLER}\n{ENGLISH.upper().replace(' ', '  ')}\n{FILLER}"),
        (ENGLISH, f"{FILLER}{ENGLISH.replace('still', 'really')}{FILLER}"),
        (CHINESE, f"{LONG}{CHINESE}{LONG}"),
        (CHINESE, LONG + CHINESE.replace(",", "\uff0c") + LONG),
        (CHINESE, f"{FILLER}{CHINESE}{LONG}"),
        (ENGLISH, ENGLISH),
    ],
)
def test_a_text_is_found_within_a_document(text, document):
    assert contained([text], [FILLER, LONG, document]) == [(0, 2)]


@pytest.mark.parametrize(
    ("text", "document"),
    [
        (ENGLISH, f"{FILLER} The card that I ordered last week was blue. {FILLER}"),
        (ENGLISH, f"{FILLER} {' '.join(reversed(ENGLISH.split()))} {FILLER}"),
        ("Where is it?", f"{FILLER} Where is it? {FILLER}"),
        (CHINESE, f"{LONG}酒店的位置非常好{LONG}房间也很干净{LONG}"),
        ("", FILLER),
        (ENGLISH, ""),
    ],
)
def test_a_document_that_shares_turns_of_phrase_does_not_hold_the_text(text, document):
    assert contained([text], [document]) == []


def test_halves_in_two_documents_are_not_the_whole_in_one():
    middle = len(ENGLISH) // 2
    assert contained([ENGLISH], [ENGLISH[:middle] + FILLER, FILLER + ENGLISH[middle:]]) == []


def test_the_first_document_is_named_for_every_copy_of_a_text_over_many_documents():
    documents = (f"{FILLER[:40]} number {n} {ENGLISH if n >= 4_500 else ''}" for n in range(5_000))
    assert contained([CHINESE, ENGLISH, ENGLISH.lower()], documents) == [(1, 4_500), (2, 4_500)]


def test_as_large_a_share_as_is_asked_for_must_stand_in_the_document():
    half = FILLER + ENGLISH[: len(ENGLISH) // 2 + 2] + FILLER
    assert contained([ENGLISH], [half], share=0.45) == [(0, 0)]
    assert contained([ENGLISH], [half], share=0.6) == []


def test_a_window_that_thousands_of_texts_share_does_not_multiply_the_work(monkeypatch):
    met = []
    distinct = module.distinct
    monkeypatch.setattr(module, "distinct", lambda values: met.append(len(values)) or distinct(values))
    texts = [f"The order with the number {n} was sent to the address that you gave us" for n in range(3_000)]
    assert contained(texts, [f"{texts[7]} {FILLER}"])[0][1] == 0
    assert 0 < max(met) < 5_000


@needs_data
def test_texts_of_one_field_are_not_found_in_the_corpus_of_another():
    corpus = read("corpus_en_finance_reuters.jsonl.gz")[:1_000]
    assert contained(read("cls_en_banking77_intent.jsonl.gz")[:2_000], corpus) == []
