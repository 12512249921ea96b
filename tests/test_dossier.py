"""A dossier is its bytes: nothing in it changes unnoticed, and it rests on this run's own evidence."""

from pathlib import Path

import pytest

from pipelines import dossier as dossiers
from pipelines.artifact import read_json
from pipelines.champion import Champion
from pipelines.check_gates import (
    Evidence,
    artifacts_of,
    refuse_unless_passed,
    require_test_rows,
    same_champion,
    table,
)
from pipelines.errors import Refused
from pipelines.markdown import cell
from pipelines.packet import packet
from pipelines.run import read_run
from pipelines.settings import read_settings
from tests.evidence import dossier_of, finished_run


@pytest.fixture
def settings(tmp_path):
    return read_settings({"SCRIPTORIUM_HOME": str(tmp_path)})


def test_the_same_evidence_is_the_same_dossier_and_any_other_is_another(settings):
    one = dossier_of(settings)
    assert one.sha256 == dossier_of(settings).sha256
    assert one.sha256 != dossier_of(settings, seed=2, run_id="manual__2").sha256
    assert one.sha256 != dossier_of(settings, accuracy=0.8001).sha256
    assert one.sha256 != one.model_copy(update={"requested_by": "eve"}).sha256


def test_a_dossier_names_data_recipe_code_model_files_and_scores(settings):
    dossier = dossier_of(settings)
    assert dossier.dataset_md5.endswith(".dir")
    assert set(dossier.model.files) == {"model/model.safetensors", "model/config.json"}
    assert {"run", "dataset", "validation", "base", "adapted", "tuned", "control", "report"} == set(dossier.artifacts)
    assert dossier.report["metrics"]["accuracy"]["value"] == 0.8
    assert "curves" not in dossier.report


def test_a_written_dossier_reads_back_and_one_changed_byte_is_refused(settings):
    dossier = dossier_of(settings)
    uri = dossiers.write(dossier, settings)
    assert dossiers.read(uri, settings) == dossier
    assert dossiers.write(dossier, settings) == uri
    path = Path(uri) / "dossier.json"
    path.write_text(path.read_text().replace("engineer", "enginear"))
    with pytest.raises(Refused, match="changed after it was sealed"):
        dossiers.read(uri, settings)


@pytest.mark.parametrize("uri", ["/etc", "../../etc/passwd", ""])
def test_a_dossier_outside_its_place_is_refused(settings, uri):
    with pytest.raises(Refused):
        dossiers.read(uri, settings)


def test_a_report_of_another_recipe_is_no_evidence_for_this_run(settings):
    _, other = finished_run(settings, "manual__1", recipe={"finetune": {"epochs": 9}})
    mine, _ = finished_run(settings, "manual__2")
    with pytest.raises(Refused, match=r"recipe\.finetune\.epochs"):
        artifacts_of(other, read_run(mine), None, settings)


def test_a_changed_byte_of_the_model_is_named(settings):
    run_uri, report = finished_run(settings, "manual__1")
    (weights,) = Path(settings.artifacts).glob("finetune/*/model/model.safetensors")
    weights.write_text("weights 2")
    with pytest.raises(Refused, match=r"model\.safetensors"):
        artifacts_of(report, read_run(run_uri), None, settings)


def test_a_manifest_rewritten_to_fit_changed_bytes_is_refused(settings):
    other_uri, other = finished_run(settings, "manual__2", seed=2)
    run_uri, report = finished_run(settings, "manual__1")
    forged = Path(artifacts_of(other, read_run(other_uri), None, settings)["tuned"])
    tuned = Path(artifacts_of(report, read_run(run_uri), None, settings)["tuned"])
    for name in ("manifest.json", "model/model.safetensors"):
        (tuned / name).write_bytes((forged / name).read_bytes())
    with pytest.raises(Refused, match=r"is not the report of this run: input\.tuned differ"):
        artifacts_of(report, read_run(run_uri), None, settings)


def test_a_champion_that_changed_since_the_report_is_refused(tmp_path):
    held = Champion(version="4", folder=tmp_path, digest="d" * 64)
    assert same_champion(None, None) is None
    with pytest.raises(Refused, match="version 4 now"):
        same_champion(held, None)
    with pytest.raises(Refused, match="nobody now"):
        same_champion(None, "d" * 64)


def test_a_refusal_names_every_failed_gate_with_value_and_limit(settings):
    dossier = dossier_of(settings, accuracy=0.645)
    with pytest.raises(Refused, match=r"(?s)2 of 3 gates.*accuracy must be at least 0.7.*0\.645.*above every baseline"):
        refuse_unless_passed(list(dossier.gates))
    assert "0.6450" in table(list(dossier.gates))


def test_the_packet_shows_verdict_gates_examples_and_the_seal(settings):
    dossier = dossier_of(settings)
    text = packet(dossier, settings)
    assert "passes all 3 gates" in text
    assert "first release" in text
    assert dossier.sha256 in text
    assert "report.html" in text


def test_texts_in_the_packet_cannot_act_as_markup(settings):
    row = next(line for line in packet(dossier_of(settings), settings).splitlines() if "deletes" in line)
    assert r"deletes \| the \*table\* \<b\>" in row
    assert cell("a\nb | c") == r"a b \| c"
    assert len(cell("word " * 100)) <= 161


def test_a_report_of_other_test_rows_is_no_evidence(settings):
    run_uri, report_uri = finished_run(settings, "manual__1")
    run = read_run(run_uri)
    found = artifacts_of(report_uri, run, None, settings)
    report = read_json(Path(report_uri) / "report.json")
    require_test_rows(Evidence(run_uri, run, found, report))
    without = {key: value for key, value in report.items() if key != "test_sha256"}
    with pytest.raises(Refused, match="other test rows"):
        require_test_rows(Evidence(run_uri, run, found, without))
    rows = Path(found["dataset"]) / "tasks" / "summary_check" / "test.jsonl"
    rows.write_text(rows.read_text().replace('"no"', '"yes"'))
    with pytest.raises(Refused, match="other test rows"):
        require_test_rows(Evidence(run_uri, run, found, report))
