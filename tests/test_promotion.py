"""From candidate to champion on a real MLflow server: in this order, against this champion, and again."""

import json

import pytest

from pipelines import dossier as dossiers
from pipelines import ledger, promote, registry
from pipelines.audit import audit
from pipelines.champion import champion, write_down
from pipelines.check_gates import check_gates
from pipelines.errors import Refused
from pipelines.production import production_folder
from pipelines.review import facts
from pipelines.tracking import connect
from tests.evidence import finished_run
from tests.promotions import candidate, classifier, released, review_of, write_recipe

pytestmark = pytest.mark.service


def events(settings, name):
    return [entry.event for entry in ledger.read(ledger.ledger_path(name, settings))]


def test_a_second_release_compares_with_the_first_and_replaces_it(mlflow_settings, product):
    released(mlflow_settings, product)
    held = champion(product, mlflow_settings)
    second, version = released(
        mlflow_settings, product, run_id="manual__2", seed=2, champion=held.folder, accuracy=0.83
    )
    assert (second.champion.version, version) == ("1", "2")
    assert champion(product, mlflow_settings).digest == second.model.digest
    found = audit(product, mlflow_settings)
    assert (found["champion"], found["problems"]) == ("version 2", [])
    assert found["dataset"].endswith(second.dataset_md5)


def test_a_student_is_promoted_in_its_teachers_place_and_its_story_names_the_teacher(mlflow_settings, product):
    student = {"distil": {"student": "small", "release": True}, "evaluate": {"control": False}}
    dossier, version = released(mlflow_settings, product, recipe={"name": product, **student})
    held = champion(product, mlflow_settings)
    assert (held.version, held.digest) == (version, dossier.artifacts["tuned"].digest)
    assert "/distil/" in dossier.model.uri
    assert "/finetune/" in dossier.artifacts["teacher"].uri
    found = audit(product, mlflow_settings)
    assert found["student_of"] == f"artifact {dossier.artifacts['teacher'].digest}"
    assert found["problems"] == []


def test_two_candidates_approved_at_once_do_not_overwrite_each_other(mlflow_settings, product):
    one, one_uri = candidate(mlflow_settings, product)
    other, other_uri = candidate(mlflow_settings, product, run_id="manual__2", seed=2)
    promote.release(one, review_of(one, one_uri), mlflow_settings)
    with pytest.raises(Refused, match="held by 1, but the approved dossier compared with nobody"):
        promote.release(other, review_of(other, other_uri), mlflow_settings)
    assert champion(product, mlflow_settings).digest == one.model.digest


def test_the_same_bytes_again_keep_their_version_and_are_reaffirmed(mlflow_settings, product):
    released(mlflow_settings, product)
    held = champion(product, mlflow_settings)
    again, version = released(mlflow_settings, product, run_id="manual__2", champion=held.folder, accuracy=0.79)
    assert version == held.version
    assert events(mlflow_settings, product) == ["registered", "promoted", "reaffirmed"]
    uri = f"models:/{product}-candidates/2"
    assert promote.release(again, review_of(again, uri), mlflow_settings) == version
    assert len(events(mlflow_settings, product)) == 3


@pytest.mark.parametrize("done", [1, 3])
def test_a_first_promotion_that_ended_after_an_action_is_finished_by_another(mlflow_settings, product, done):
    settings = mlflow_settings
    dossier, uri = candidate(settings, product)
    review = review_of(dossier, uri)
    part = production_folder(product, dossier.model.digest, settings)
    part.with_name(f".{part.name}.part").mkdir(parents=True)
    known = facts(review, dossier)
    actions = [
        lambda: promote.copy_bytes(dossier, settings),
        lambda: write_down(
            "registered", dossier, known | registry.register_promoted(part, dossier, settings), settings
        ),
        lambda: registry.move_champion(dossier, "1", settings),
    ]
    for action in actions[:done]:
        action()
    assert promote.release(dossier, review, settings) == "1"
    assert promote.release(dossier, review, settings) == "1"
    assert champion(product, settings).digest == dossier.model.digest
    assert events(settings, product) == ["registered", "promoted"]
    assert audit(product, settings)["problems"] == []
    assert "challenger" not in registry.aliases(connect(settings), f"{product}-candidates")


def test_a_version_of_which_the_ledger_knows_nothing_is_left_alone(mlflow_settings, product):
    """By a kill between MLflow and the ledger, or by somebody who copied the candidate, with its tags, to be taken."""
    dossier, uri = candidate(mlflow_settings, product)
    connect(mlflow_settings).copy_model_version(uri, product)
    copied = connect(mlflow_settings).get_model_version(product, "1")
    assert copied.tags["dossier"] == dossier.sha256
    assert promote.release(dossier, review_of(dossier, uri), mlflow_settings) == "2"
    places = [connect(mlflow_settings).get_model_version_download_uri(product, version) for version in "12"]
    assert f"/{dossier.mlflow_experiment}/models" in places[0]
    assert f"/{dossier.mlflow_experiment}/models" not in places[1]


def test_an_old_promotion_run_again_does_not_bring_the_old_champion_back(mlflow_settings, product):
    first, uri = candidate(mlflow_settings, product)
    promote.release(first, review_of(first, uri), mlflow_settings)
    held = champion(product, mlflow_settings)
    released(mlflow_settings, product, run_id="manual__2", seed=2, champion=held.folder, accuracy=0.83)
    promote.release(first, review_of(first, uri), mlflow_settings)
    assert champion(product, mlflow_settings).version == "2"
    assert audit(product, mlflow_settings)["problems"] == []


def test_a_model_that_answers_otherwise_than_evaluated_is_not_promoted(mlflow_settings, product):
    write_recipe(mlflow_settings, product)
    files, examples = classifier(mlflow_settings.home / "model", 1)
    wrong = [examples[0] | {"probability": 1 - examples[0]["probability"] + 0.2}]
    run_uri, report = finished_run(mlflow_settings, "manual__1", model=files, examples=wrong, recipe={"name": product})
    uri = check_gates(run_uri, {"report": report})
    dossier = dossiers.read(uri, mlflow_settings)
    registered = registry.register(run_uri, {"dossier": uri})
    with pytest.raises(Refused, match="which was evaluated as"):
        promote.release(dossier, review_of(dossier, registered), mlflow_settings)
    assert champion(product, mlflow_settings) is None


def test_a_version_answers_the_cases_of_behaviour_before_it_becomes_the_champion(mlflow_settings, product, capsys):
    from models.serving import load
    from tests.promotions import ROW

    classifier(mlflow_settings.home / "asked", 1)
    asked = [ROW, ROW | {"text_b": "lists a bucket"}]
    said = load(mlflow_settings.home / "asked", "pair_classification")(asked)
    case = {"name": "other words", "kind": "invariance", "row": ROW, "variants": [{"text_b": "lists a bucket"}]}
    named = {"recipe": {"name": product, "evaluate": {"behaviour": ["cases.jsonl"]}}}

    def kept(*answers):
        return named | {"beside": {"behaviour.jsonl": json.dumps({"case": case, "answers": answers}) + "\n"}}

    wrong = [said[0], said[1] | {"probability": abs(said[1]["probability"] - 0.3)}]
    with pytest.raises(Refused, match="to case 'other words', which was evaluated as"):
        released(mlflow_settings, product, **kept(*wrong))
    with pytest.raises(Refused, match=r"behaviour.jsonl is missing, and the recipe names cases"):
        released(mlflow_settings, product, run_id="manual__2", **named)
    assert champion(product, mlflow_settings) is None
    released(mlflow_settings, product, run_id="manual__3", **kept(*said))
    assert "version 3 answers the cases of behaviour, 2 texts, as evaluated" in capsys.readouterr().out
