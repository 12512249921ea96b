"""Where no champion says what is good enough, two people must approve: who they are, and what they come to."""

from datetime import timedelta

import pytest

from pipelines import judgements
from pipelines.decision import Answer, approvals_needed, decide, with_judged
from pipelines.dossier import Opponent
from pipelines.errors import Refused
from pipelines.policy_file import under_policy
from pipelines.promote import check_age
from pipelines.recipe_file import load_recipe, parse_recipe
from pipelines.review import facts, read_review, with_judgements, write_review
from pipelines.reviewers import require_enough
from pipelines.run import read_run
from pipelines.settings import ROOT, read_settings
from tests.evidence import RECIPE, dossier_of
from tests.test_review import NOON, answer

TWO = {"review": {"reviewers": ["reviewer", "second_reviewer"]}}
LATER = {"reviewer": "second_reviewer", "reason": "it does", "at": NOON + timedelta(hours=2)}


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path))
    monkeypatch.setenv("SCRIPTORIUM_RECIPES", str(tmp_path))
    return read_settings()


@pytest.fixture
def dossier(settings):
    return dossier_of(settings, recipe=TWO)


def decided(dossier, *answers: Answer):
    return decide(answers, read_run(dossier.run_uri), dossier, "models:/checker-candidates/1")


def test_two_reviewers_approve_it_and_both_are_recorded(settings, dossier):
    review = decided(dossier, answer(dossier), answer(dossier, **LATER))
    assert (review.decision, review.reviewers) == ("approved", "reviewer and second_reviewer")
    kept = facts(review, dossier)
    assert (kept["first_reviewer"], kept["first_reason"], kept["reviewer"]) == (
        "reviewer",
        "reads well",
        "second_reviewer",
    )
    assert read_review(write_review(review, settings), settings) == review


def test_one_approval_is_none(dossier):
    with pytest.raises(Refused, match=r"first release of checker takes 2 approvals, and only reviewer has given one"):
        decided(dossier, answer(dossier))


def test_nobody_approves_twice(dossier):
    with pytest.raises(Refused, match="reviewer answered twice"):
        decided(dossier, answer(dossier), answer(dossier, at=NOON + timedelta(hours=2)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"reviewer": "engineer"}, "engineer answered, but may not review"),
        ({"requester": "second_reviewer"}, "asked for this run"),
        ({"reason": ""}, "without a reason"),
        ({"asked": "Make it the champion?"}, "was not about dossier"),
    ],
)
def test_the_second_answer_counts_as_little_as_a_first_would(dossier, changes, message):
    with pytest.raises(Refused, match=message):
        decided(dossier, answer(dossier), answer(dossier, **LATER | changes))


def test_either_can_say_no(dossier):
    assert decided(dossier, answer(dossier, option="Reject")).decision == "rejected"
    review = decided(dossier, answer(dossier), answer(dossier, **LATER | {"option": "Reject"}))
    assert (review.decision, review.reviewers, review.reason) == ("rejected", "second_reviewer", "it does")


def test_a_release_with_a_champion_before_it_takes_one(dossier):
    after = dossier.model_copy(update={"champion": Opponent(version="1", digest="0" * 64)})
    assert decided(after, answer(after)).decision == "approved"


def test_the_older_of_the_two_expires_first(dossier):
    late = LATER | {"at": NOON + timedelta(days=3)}
    review = decided(dossier, answer(dossier), answer(dossier, **late))
    check_age(review, read_run(dossier.run_uri), NOON + timedelta(days=7))
    with pytest.raises(Refused, match="the approval of 2026-11-23 expired"):
        check_age(review, read_run(dossier.run_uri), NOON + timedelta(days=7, seconds=1))


def test_what_each_of_them_judged_is_kept_and_left_out_where_airflows_answers_are_compared(settings, dossier):
    judgements.keep(dossier.sha256, "reviewer", {"ec2/1": "candidate"}, NOON, settings)
    judgements.keep(dossier.sha256, "second_reviewer", {"ec2/1": "champion"}, NOON + timedelta(hours=1), settings)
    review = decided(dossier, answer(dossier), answer(dossier, **LATER))
    judged = with_judgements(review, settings)
    assert [one.judged for one in judged.given] == [{"ec2/1": "candidate"}, {"ec2/1": "champion"}]
    assert facts(judged, dossier)["judged"].startswith("2 judged blind: candidate better 1, champion better 1")
    assert with_judged(judged, {}) == review


def test_a_run_ends_at_its_start_where_too_few_could_approve_what_comes_of_it(settings):
    own = parse_recipe({**load_recipe(shipped()).model_dump(mode="json"), "name": "checker"}, "checker.toml")
    require_enough(own, "engineer", settings)
    with pytest.raises(Refused, match=r"asks for only second_reviewer may give one.*approvals_for_first_release = 1"):
        require_enough(own, "reviewer", settings)
    alone = own.model_copy(update={"review": own.review.model_copy(update={"approvals_for_first_release": 1})})
    require_enough(alone, "reviewer", settings)
    nobody = alone.model_copy(update={"review": alone.review.model_copy(update={"reviewers": ("reviewer",)})})
    with pytest.raises(Refused, match="takes 1 approval, and of what reviewer asks for nobody may give one"):
        require_enough(nobody, "reviewer", settings)


def shipped():
    return ROOT / "pipelines" / "recipes" / "summary_checker.toml"


@pytest.mark.parametrize(("asked", "first", "later"), [("1", 2, 1), ("2", 2, 2)])
def test_a_policy_can_ask_for_more_approvals_and_not_for_fewer(settings, monkeypatch, asked, first, later):
    (settings.home / "policy.toml").write_text(f"[review]\napprovals = {asked}\napprovals_for_first_release = 1\n")
    monkeypatch.setenv("SCRIPTORIUM_POLICY", str(settings.home / "policy.toml"))
    rules = under_policy(load_recipe(shipped()), read_settings()).review
    needed = [approvals_needed(rules, first_release=first) for first in (True, False)]
    assert needed == [first, later]


def test_one_person_can_be_enough_where_the_recipe_says_so_and_the_policy_does_not_object(settings, monkeypatch):
    (settings.recipes / "checker.toml").write_text(RECIPE)
    assert approvals_needed(load_recipe(settings.recipes / "checker.toml").review, first_release=True) == 1
    (settings.home / "policy.toml").write_text("[review]\napprovals_for_first_release = 2\n")
    monkeypatch.setenv("SCRIPTORIUM_POLICY", str(settings.home / "policy.toml"))
    own = load_recipe(settings.recipes / "checker.toml")
    with pytest.raises(Refused, match="takes 2 approvals"):
        require_enough(own, "engineer", read_settings())
