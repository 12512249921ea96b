"""What policy.toml asks is asked of every recipe: a recipe can ask for more, never for less."""

import pytest

from pipelines.artifact import read_json, sha256_file
from pipelines.dossier import Dossier
from pipelines.errors import Refused
from pipelines.gates import judge
from pipelines.mirror import here
from pipelines.policy import run_to_decide
from pipelines.policy_file import under_policy
from pipelines.promote import check_evidence
from pipelines.recipe_file import load_recipe
from pipelines.settings import ROOT, as_environment, read_settings
from tests.evidence import RECIPE, dossier_of, finished_run

POLICY = """
[[gates]]
metric = "primary"
above = "baseline"
margin = 0.02
[[gates]]
metric = "accuracy"
at_least = 0.75
[[gates]]
tasks = ["summarisation"]
metric = "rouge_l"
at_least = 0.2
[review]
expires_days = 3
"""


@pytest.fixture
def policy(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path))
    monkeypatch.setenv("SCRIPTORIUM_RECIPES", str(tmp_path))
    monkeypatch.setenv("SCRIPTORIUM_POLICY", str(tmp_path / "policy.toml"))
    (tmp_path / "checker.toml").write_text(RECIPE)
    path = tmp_path / "policy.toml"
    path.write_text(POLICY)
    return path


def conditions(recipe):
    return [(gate.metric, gate.at_least, gate.above, gate.margin) for gate in recipe.gates]


def test_a_recipe_without_the_gate_has_it_before_its_own(policy):
    settings = read_settings()
    own = load_recipe(settings.recipes / "checker.toml")
    held = under_policy(own, settings)
    # The limit of 0.75 stands beside the recipe's 0.7, and so decides.
    assert conditions(held)[:2] == [("accuracy", None, "baseline", 0.02), ("accuracy", 0.75, None, 0.0)]
    assert held.gates[2:] == own.gates
    assert (own.review.expires_days, held.review.expires_days) == (7, 3)
    assert held.review.reviewers == own.review.reviewers


def test_a_suite_that_the_policy_asks_for_is_missed_where_a_recipe_leaves_it_out(policy):
    asked = {"flip_rate_typos": "at_most = 0.1", "behaviour_minimum": "at_least = 1.0"}
    policy.write_text("".join(f'[[gates]]\nmetric = "{name}"\n{limit}\n' for name, limit in asked.items()))
    held = under_policy(load_recipe(policy.parent / "checker.toml"), read_settings())
    assert [gate.metric for gate in held.gates[:2]] == list(asked)
    assert [verdict.outcome for verdict in judge(held.gates[:2], {"metrics": {}})] == ["error", "error"]


def test_every_shipped_recipe_can_live_under_it_and_each_by_its_own_metric(policy):
    settings = read_settings()
    for path in sorted((ROOT / "pipelines" / "recipes").glob("*.toml")):
        held = under_policy(load_recipe(path), settings)
        assert held.gates[0].above == "baseline", path.stem


def test_a_run_is_decided_and_promoted_by_the_policy(policy):
    settings = read_settings()
    run_uri, report = finished_run(settings, "manual__1", accuracy=0.72)
    gates = run_to_decide(run_uri, settings).recipe.gates
    dossier = dossier_of(settings, accuracy=0.8, run_id="manual__2", seed=2)
    with pytest.raises(Refused, match="judge the report otherwise"):
        check_evidence(dossier, run_to_decide(dossier.run_uri, settings))
    verdicts = judge(gates, read_json(here(report) / "report.json"))
    assert [v.outcome for v in verdicts if v.metric == "accuracy" and v.limit in {0.7, 0.75}] == ["fail", "pass"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            '[[gates]]\nmetric = "accuracy"\nat_leest = 0.7\n',
            "unknown key 'gates.0.at_leest'; did you mean 'at_least'?",
        ),
        ('[[gates]]\nmetric = "accuracy"\n', "takes exactly one of at_least"),
        ('[[gates]]\ntasks = ["pair_clasification"]\nmetric = "primary"\nat_least = 1\n', "'pair_classification'"),
        ('[[gates]]\ntasks = ["pair_classification"]\nmetric = "rouge_l"\nat_least = 1\n', "has no metric 'rouge_l'"),
        ('[[gates]]\nmetric = "acuracy"\nat_least = 1\n', "no task has a metric 'acuracy'; did you mean 'accuracy'?"),
        ('[[gates]]\nmetric = "primery"\nabove = "baseline"\n', "did you mean 'primary'?"),
        ('[[gates]]\nmetric = "ece"\nnot_below = "champion"\n', "ece takes at_least or at_most"),
        ("[review]\nexpires_days = 0\n", "expires_days"),
        ("gates = 3", "policy.toml"),
        ("[[gates", "cannot be read"),
    ],
)
def test_a_policy_that_is_wrong_stops_every_decision_and_is_named(policy, text, why):
    policy.write_text(text)
    settings = read_settings()
    with pytest.raises(Refused, match="policy") as refusal:
        under_policy(load_recipe(settings.recipes / "checker.toml"), settings)
    assert why in str(refusal.value)


def test_a_policy_that_is_named_but_not_there_does_not_mean_that_there_is_none(policy):
    policy.unlink()
    settings = read_settings()
    with pytest.raises(Refused, match="SCRIPTORIUM_POLICY names, cannot be read"):
        under_policy(load_recipe(settings.recipes / "checker.toml"), settings)


def test_the_hash_of_the_policy_is_in_the_dossier_and_a_dossier_of_before_keeps_its_seal(policy):
    held = dossier_of(read_settings())
    assert held.policy_sha256 == sha256_file(policy)
    without = held.model_copy(update={"policy_sha256": ""})
    assert "policy_sha256" not in without.text
    assert Dossier.model_validate_json(without.text).sha256 == without.sha256 != held.sha256


def test_the_children_of_a_process_read_the_same_policy(policy):
    assert read_settings(as_environment(read_settings())) == read_settings()
