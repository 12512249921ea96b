"""What a model should write in an evaluation row is looked for where it learns: in training rows, in every corpus."""

import pytest

from pipelines.formats import FORMATS
from pipelines.judgement import Subject, other_task_subject, pair_subject
from pipelines.leaks import corpus_measures
from pipelines.limits import Limits
from pipelines.suites import corpus_checks
from tests.sets_of_rows import LIMITS, dialog, row, tally, text, unmet

__all__ = ["tally"]

WRITTEN = {"summarisation": ("document", "summary"), "generation": ("prompt", "completion")}
WRITTEN |= dict.fromkeys(("rewriting", "translation"), ("source", "target"))
FORMS = [*WRITTEN, "dialog"]
OWN = "The keeper of the last lighthouse wrote down every ship that passed, and no ship ever knew of it until he died."
SHORT = "The keeper wrote down every ship."


def example(form, n, answer=None, read=None):
    """A row whose texts are its own, but for those given."""
    read, answer = read or text(f"read {n}", 20), answer or text(f"said {n}", 30)
    if form == "dialog":
        return dialog(n, ("user", read), ("assistant", answer))
    asked, told = WRITTEN[form]
    langs = {"source_lang": "en", "target_lang": "en"} if form == "translation" else {"lang": "en"}
    return {"id": f"{form}-{n}", asked: read, told: answer} | langs


def evaluation(tally, form, *answers):
    """Twenty rows, the first ones with these answers."""
    rows = [example(form, n, answer) for n, answer in zip(range(100, 120), [*answers, *[None] * 20], strict=False)]
    return tally(rows, form, role="evaluation")


def in_corpus(tally, form, held, *texts, limits=LIMITS):
    """What is said of an evaluation set beside a corpus of these texts among others."""
    some = [text(f"corpus {n}", 40) for n in range(20)]
    passages = [{"id": f"c{n}", "text": t, "lang": "en", "domain": "d"} for n, t in enumerate([*some, *texts])]
    corpus = tally(passages, "unlabeled")
    measures = corpus_measures(held, corpus, corpus.folder / "0.jsonl")
    return unmet(Subject("test in corpus", measures, corpus_checks(FORMATS[form], limits)))


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_that_training_has_to_another_text_is_found_in_capitals_and_padded_too(tally, form):
    own = [example(form, n) for n in range(20)]
    assert unmet(pair_subject("both", evaluation(tally, form, OWN), tally(own, form))) == {}
    train = tally([*own, example(form, 20, f"  {OWN.upper()}\u200b ")], form)
    assert unmet(pair_subject("both", evaluation(tally, form, OWN), train)) == {"answer_leakage": ("warn", [1])}


@pytest.mark.parametrize("form", WRITTEN)
def test_an_answer_that_training_reads_is_found_too(tally, form):
    train = tally([*(example(form, n) for n in range(20)), example(form, 20, read=OWN)], form)
    assert unmet(pair_subject("both", evaluation(tally, form, OWN), train)) == {"answer_leakage": ("warn", [1])}


@pytest.mark.parametrize("form", FORMS)
def test_an_answer_that_another_task_learns_is_found(tally, form):
    other = tally([*(row(n) for n in range(20)), row(20, text=OWN)], role="auxiliary")
    subject = other_task_subject("own in further", evaluation(tally, form, OWN), other)
    assert unmet(subject) == {"answer_leakage": ("warn", [1])}


def test_a_fifth_of_the_answers_may_be_shared_and_no_more_or_as_the_recipe_says(tally):
    train = tally([*(example("generation", n) for n in range(20)), example("generation", 20, OWN)], "generation")
    held = evaluation(tally, "generation", *[OWN] * 4)
    assert unmet(pair_subject("both", held, train)) == {"answer_leakage": ("warn", [1, 2, 3, 4])}
    held = evaluation(tally, "generation", *[OWN] * 5)
    assert unmet(pair_subject("both", held, train)) == {"answer_leakage": ("reject", [1, 2, 3, 4, 5])}
    rows = [example("generation", n, OWN) for n in range(100, 120)]
    held = tally(rows, "generation", role="evaluation", limits=Limits(answer_leakage=1.0, near_duplicates=False))
    assert unmet(pair_subject("both", held, train))["answer_leakage"][0] == "warn"


@pytest.mark.parametrize("form", FORMS)
def test_short_answers_are_shared_by_many_rows_and_are_no_leak(tally, form):
    same = "Thank you, and have a nice day!" if form == "dialog" else "I don't know."
    train = tally([example(form, n, same) for n in range(20)], form)
    held = evaluation(tally, form, *[same] * 20)
    assert unmet(pair_subject("both", held, train)) == {}
    assert in_corpus(tally, form, held, f"He said: {same} Then he left.") == {}


def test_answers_to_questions_are_passages_that_rows_share_and_a_corpus_may_hold(tally):
    def asked(n):
        return {"id": f"f{n}", "question": text(f"asked {n}"), "answer": OWN, "lang": "en"}

    held = tally([asked(n) for n in range(100, 120)], "faq", role="evaluation")
    assert unmet(pair_subject("both", held, tally([asked(n) for n in range(20)], "faq"))) == {}
    assert in_corpus(tally, "faq", held, OWN) == {}


@pytest.mark.parametrize("form", WRITTEN)
def test_a_long_answer_within_a_text_of_the_corpus_refuses_as_what_is_read_does(tally, form):
    found = in_corpus(tally, form, evaluation(tally, form, OWN), f"Before. {OWN} After.")
    assert found == {"corpus_leakage": ("reject", [1]), "corpus_answers": ("warn", [1])}


def test_the_last_turn_of_a_dialog_may_quote_what_is_known(tally):
    found = in_corpus(tally, "dialog", evaluation(tally, "dialog", OWN), f"Before. {OWN} After.")
    assert found == {"corpus_answers": ("warn", [1])}


def test_shorter_answers_in_the_corpus_are_doubtful_and_too_many_are_refused(tally):
    longer = f"Before. {SHORT} After."
    few, many = (evaluation(tally, "summarisation", *[SHORT] * count) for count in (4, 5))
    assert in_corpus(tally, "summarisation", few, longer) == {"corpus_answers": ("warn", [1, 2, 3, 4])}
    assert in_corpus(tally, "summarisation", many, longer) == {"corpus_answers": ("reject", [1, 2, 3, 4, 5])}
    all_allowed = in_corpus(tally, "summarisation", many, longer, limits=Limits(answer_leakage=1.0))
    assert all_allowed["corpus_answers"][0] == "warn"


@pytest.mark.parametrize(("second", "found"), [(OWN, {"corpus_leakage": ("reject", [1])}), (SHORT, {})])
def test_either_text_of_a_pair_is_looked_for_by_itself_where_it_is_long(tally, second, found):
    pairs = [
        {"id": f"p{n}", "text_a": text(f"a {n}", 60), "text_b": text(f"b {n}", 30), "label": "ab"[n % 2], "lang": "en"}
        for n in range(20)
    ]
    pairs[0]["text_b"] = second
    held = tally(pairs, "pair_classification", role="evaluation")
    assert in_corpus(tally, "pair_classification", held, f"Before. {second} After.") == found
