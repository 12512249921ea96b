"""The examples to be judged are those on which two models differ most; which side is whose is chance, and not told."""

import multiprocessing
from datetime import UTC, datetime, timedelta

import pytest

from models.tasks import TASKS
from pipelines import judgements
from pipelines.errors import Refused
from pipelines.judgements import Judgement, Judgements, agreement, keep, tally
from pipelines.settings import read_settings
from pipelines.side_by_side import differing, in_random_order, sides

SEAL = "0" * 63
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path))
    return read_settings()


def labelled(*told):
    return [{"label": "yes", "prediction": "yes" if p >= 0.5 else "no", "probability": p} for p in told]


def test_of_labels_those_on_which_both_are_surest_come_first_and_agreement_never():
    rows = [{"id": str(n), "text_a": "a", "text_b": "b", "label": "yes"} for n in range(4)]
    found = differing(TASKS["pair_classification"], rows, labelled(0.9, 0.6, 0.9, 0.99), labelled(0.1, 0.4, 0.8, 0.4))
    assert [one["id"] for one in found] == ["0", "3", "1"]
    assert (found[0]["candidate"], found[0]["champion"]) == ("yes", "no")
    assert found[0]["input"] == {"text_a": "a", "text_b": "b"}


def test_of_texts_those_least_alike_come_first_and_there_are_twenty_at_most():
    rows = [{"id": f"{n:02}", "document": "d", "summary": "s"} for n in range(30)]
    ours = [{"prediction": "the minister resigned on Monday"} for _ in rows]
    theirs = [{"prediction": "the minister resigned on Tuesday"} for _ in rows]
    theirs[7], theirs[9] = {"prediction": "股市上涨"}, ours[9]
    found = differing(TASKS["summarisation"], rows, ours, theirs)
    assert (found[0]["id"], len(found)) == ("07", 20)
    assert "09" not in {one["id"] for one in found}


def test_each_side_is_the_candidates_half_of_the_time_and_the_same_for_every_reviewer():
    shown = [sides(SEAL + "0", str(n))[0] for n in range(400)]
    assert 160 < shown.count("candidate") < 240
    assert shown == [sides(SEAL + "0", str(n))[0] for n in range(400)]
    assert shown != [sides(SEAL + "1", str(n))[0] for n in range(400)]
    examples = [{"id": str(n)} for n in range(20)]
    assert in_random_order(SEAL + "0", examples) not in (examples, in_random_order(SEAL + "1", examples))


def test_a_tally_says_how_sure_it_is():
    found = tally(["candidate"] * 9 + ["champion"] * 3 + ["same"] * 4 + ["both_bad"])
    assert (found.judged, found.same, found.share) == (17, 4, 0.75)
    # Wilson's interval of 9 of 12, as R's binom.confint(9, 12, methods = "wilson") gives it.
    assert (found.low, found.high) == (pytest.approx(0.4677, abs=1e-4), pytest.approx(0.9111, abs=1e-4))
    assert "wins 75% of the decided (47% to 91%)" in str(found)
    assert str(tally(["same"])).endswith("both bad 0")


def test_reviewers_who_agree_by_chance_only_have_no_agreement():
    def judge(name, *said):
        judged = {example: Judgement(said=one, at=NOON) for example, one in zip("abcd", said, strict=False)}
        return Judgements(dossier=SEAL + "0", reviewer=name, judged=judged)

    one = judge("ada", "candidate", "candidate", "champion", "champion")
    assert agreement([one, judge("bob", *one.said.values())]) == 1.0
    assert agreement([one, judge("eve", "candidate", "champion", "candidate", "champion")]) == 0.0
    assert agreement([one]) is None
    assert agreement([one, judge("new", "candidate")]) is None


def say(example, home):
    import os

    os.environ["SCRIPTORIUM_HOME"] = str(home)
    keep(SEAL + "0", "ada", {example: "same"}, NOON, read_settings())


def test_what_two_processes_keep_at_once_is_all_kept_and_a_name_leads_nowhere_else(settings, tmp_path):
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=say, args=(str(n), tmp_path)) for n in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    keep(SEAL + "0", "ada", {"0": "candidate"}, NOON + timedelta(hours=1), settings)
    assert judgements.read(SEAL + "0", "ada", settings).said == {**{str(n): "same" for n in range(6)}, "0": "candidate"}
    assert [one.reviewer for one in judgements.read_all(SEAL + "0", settings)] == ["ada"]
    for name in ("../eve", "Ada Lovelace", "corp\\ada", "auth0|1"):
        keep(SEAL + "0", name, {"0": "same"}, NOON, settings)
        assert judgements.read(SEAL + "0", name, settings).said == {"0": "same"}
    assert len(list(tmp_path.rglob("judgements/*/*.json"))) == 5
    with pytest.raises(Refused, match="not the seal of a dossier"):
        keep("../../etc", "ada", {"0": "same"}, NOON, settings)


def test_what_is_judged_after_the_decision_is_no_evidence_for_it(settings):
    keep(SEAL + "0", "ada", {"0": "candidate", "1": "same"}, NOON, settings)
    said = keep(SEAL + "0", "ada", {"1": "champion", "2": "champion"}, NOON + timedelta(seconds=1), settings)
    assert said.until(NOON) == {"0": "candidate"}
    assert said.until(NOON + timedelta(seconds=1)) == said.said
