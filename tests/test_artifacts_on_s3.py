"""With the artifact root in S3 any machine finds what another made, proves every byte of it, makes nothing twice."""

import json
import os
import signal
import subprocess
import sys

import pytest

from pipelines import doctor, mirror, steps, storage
from pipelines.artifact import NotWhole
from pipelines.champion import champion
from pipelines.dataset import current_md5
from pipelines.errors import Refused, ScriptoriumError
from pipelines.flow import plan
from pipelines.lineage import read_lineage
from pipelines.recipe_file import load_recipe, parse_recipe
from pipelines.review import facts, read_review, write_review
from pipelines.run import freeze, new_run, read_run
from pipelines.settings import ROOT, read_settings
from tests.command import scriptorium
from tests.evidence import RECIPE, finished_run
from tests.machines import BUCKET, Machines, shared_store
from tests.promotions import candidate, released, review_of
from tests.versioned_data import new_data

pytestmark = pytest.mark.service

SMALL = {
    "name": "checker",
    "description": "d",
    "task": "pair_classification",
    "data": {"corpus": "c", "examples": "e", "replay": {"corpus": "g"}},
    "base": {"model": "hf://org/name"},
    "pretrain": {"objective": "masked", "tokens": 10},
    "review": {"reviewers": ["reviewer"]},
}
FILES = {f"model/{number}.bin": bytes([number]) * 100_000 for number in range(3)}


@pytest.fixture(scope="module", autouse=True)
def server(tmp_path_factory):
    with shared_store(tmp_path_factory.mktemp("s3")):
        yield


@pytest.fixture
def machines(tmp_path, monkeypatch, request):
    return Machines(tmp_path, f"of/{abs(hash(request.node.nodeid)):x}", monkeypatch)


def write_files(work):
    for name, content in FILES.items():
        (work.out / name).parent.mkdir(exist_ok=True)
        (work.out / name).write_bytes(content)
    # As timings do, it differs from one making to the next.
    (work.out / "timings.json").write_text(json.dumps(os.urandom(8).hex()))


@pytest.fixture
def made(monkeypatch):
    """A step of this file, and on which machine it ran."""
    places = []

    def function(work):
        places.append(work.settings.home.name)
        write_files(work)

    monkeypatch.setattr("pipelines.dataset.dataset", function)
    return places


def small_run(settings):
    return freeze(new_run(parse_recipe(SMALL, "test"), "r1", "abc.dir", "engineer"), settings)


def content(uri):
    folder = mirror.here(uri)
    return {name: (folder / name).read_bytes() for name in FILES}


def test_a_second_machine_reuses_what_the_first_made(machines, made, capsys):
    run = small_run(machines.be("one"))
    uri = steps.make("dataset", run, {})
    assert uri.startswith(f"s3://{BUCKET}/{machines.prefix}/dataset/")
    capsys.readouterr()
    two = machines.be("two")
    assert steps.make("dataset", run, {}) == uri
    assert f"dataset: reused {uri}" in capsys.readouterr().out
    assert made == ["one"]
    assert content(uri) == FILES
    assert read_run(run).requested_by == "engineer"
    assert small_run(two) == run
    other = new_run(parse_recipe(SMALL | {"seed": 9}, "test"), "r1", "abc.dir", "engineer")
    with pytest.raises(Refused, match="frozen with other settings"):
        freeze(other, two)


def upload_killed_at(run, number):
    """Make the step's output, and die at the upload's object of this number."""
    put, count = storage.put, iter(range(99))

    def dying(*arguments):
        if next(count) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return put(*arguments)

    steps.importlib.import_module("pipelines.dataset").dataset = write_files
    storage.put = dying
    steps.make("dataset", run, {})


@pytest.mark.parametrize("number", [0, 2, len(FILES) + 1])
def test_an_upload_that_was_killed_does_not_count_and_the_next_try_finishes_it(machines, made, number):
    run = small_run(machines.be("one"))
    code = f"from tests.test_artifacts_on_s3 import upload_killed_at as go; go({run!r}, {number})"
    child = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True)
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert len(machines.stored("dataset")) == number
    uri = steps.make("dataset", run, {})
    assert len(machines.stored("dataset")) == len(FILES) + 2
    machines.be("two")
    assert steps.make("dataset", run, {}) == uri
    assert made == []
    assert content(uri) == FILES


def test_what_another_machine_put_there_only_in_part_is_made(machines, made):
    run = small_run(machines.be("one"))
    uri = steps.make("dataset", run, {})
    machines.remove(f"{uri.removeprefix(f's3://{BUCKET}/{machines.prefix}/')}/manifest.json")
    machines.be("two")
    assert steps.make("dataset", run, {}) == uri
    assert made == ["one", "two"]


def changed(machines, name):
    old = machines.stored(name)[name]
    machines.put(name, old[:-1] + bytes([old[-1] ^ 1]))


@pytest.mark.parametrize(("harm", "said"), [(changed, "sha256 differs"), (Machines.remove, "is missing")])
def test_a_changed_or_missing_object_is_named_and_what_it_belongs_to_made_again(machines, made, capsys, harm, said):
    run = small_run(machines.be("one"))
    uri = steps.make("dataset", run, {})
    name = next(name for name in machines.stored("dataset") if name.endswith("model/1.bin"))
    good = machines.stored(name)
    harm(machines, name)
    machines.be("two")
    with pytest.raises(NotWhole, match=rf"{uri}/model/1\.bin.*{said}"):
        mirror.here(uri)
    steps.make("dataset", run, {})
    assert f"{uri}/model/1.bin" in capsys.readouterr().err
    assert made == ["one", "two"]
    assert machines.stored(name) == good
    machines.be("three")
    steps.make("dataset", run, {})
    assert made == ["one", "two"]
    assert content(uri) == FILES


@pytest.mark.parametrize("harm", [changed, Machines.remove])
def test_what_the_store_lost_is_put_there_again_by_who_has_it_whole(machines, made, capsys, harm):
    run = small_run(machines.be("one"))
    uri = steps.make("dataset", run, {})
    before = machines.stored("dataset")
    harm(machines, next(name for name in before if name.endswith("model/2.bin")))
    assert steps.make("dataset", run, {}) == uri
    assert f"{uri}/model/2.bin in the store is not what was made" in capsys.readouterr().out
    assert (machines.stored("dataset"), made) == (before, ["one"])


def test_a_damaged_copy_on_this_machine_is_fetched_again(machines, made):
    run = small_run(machines.be("one"))
    uri = steps.make("dataset", run, {})
    (mirror.here(uri) / "model" / "0.bin").write_bytes(b"damaged")
    steps.make("dataset", run, {})
    assert (content(uri), made) == (FILES, ["one"])


def test_a_manifest_that_leads_out_of_its_folder_is_refused(machines, made, tmp_path):
    run = small_run(machines.be("one"))
    uri = steps.make("dataset", run, {})
    name = next(name for name in machines.stored("dataset") if name.endswith("/manifest.json"))
    machines.put(name, machines.stored(name)[name].replace(b'"model/0.bin"', b'"../../../0.bin"'))
    machines.be("two")
    with pytest.raises(NotWhole, match="leads out of its folder"):
        mirror.here(uri)


def test_plan_on_another_machine_says_reused_and_brings_nothing(machines, monkeypatch, capsys):
    recipes = machines.folder / "recipes"
    recipes.mkdir()
    (recipes / "checker.toml").write_text("seed = 1\n" + RECIPE)
    new_data(machines.folder / "data")
    monkeypatch.setenv("SCRIPTORIUM_RECIPES", str(recipes))
    monkeypatch.setenv("SCRIPTORIUM_DATA", str(machines.folder / "data"))
    monkeypatch.setenv("SCRIPTORIUM_MLFLOW_URL", "http://127.0.0.1:9")
    one = machines.be("one")
    finished_run(one, "r1", dataset_md5=current_md5())
    two = machines.be("two")
    forecasts = json.loads(scriptorium(capsys, "plan", "checker", "--json").out)
    assert {f["stage"] for f in forecasts} >= {"dataset", "pretrain", "finetune", "evaluate"}
    assert all(f["reused"] for f in forecasts), forecasts
    assert not list((two.home / "mirror").rglob("*.safetensors"))
    changed = new_run(load_recipe(recipes / "checker.toml", {"seed": 2}), "plan", current_md5(), "local")
    assert "changed: seed (1 -> 2)" in plan(changed, None, two)[0].why


@pytest.fixture
def shared(machines, mlflow_url, monkeypatch):
    (machines.folder / "recipes").mkdir()
    monkeypatch.setenv("SCRIPTORIUM_RECIPES", str(machines.folder / "recipes"))
    monkeypatch.setenv("SCRIPTORIUM_MLFLOW_URL", mlflow_url)
    return machines


def test_a_model_released_on_one_machine_is_audited_and_replaced_on_another(shared, product, capsys):
    first, _ = released(shared.be("one"), product)
    two = shared.be("two")
    found = json.loads(scriptorium(capsys, "audit", product, "--json").out)
    assert (found["champion"], found["problems"]) == ("version 1", [])
    assert found["report"].startswith(f"s3://{BUCKET}/")
    held = champion(product, two)
    assert held.digest == first.model.digest
    second, version = released(two, product, run_id="manual__2", seed=2, champion=held.folder, accuracy=0.83)
    assert (second.champion.version, version) == ("1", "2")
    one = shared.be("one")
    assert champion(product, one).digest == second.model.digest
    lineage = read_lineage(shared.be("three"))
    assert sorted(run.run_id for run in lineage.runs) == ["manual__1", "manual__2"]
    champions = [c for found in lineage.candidates.values() for c in found if c.champion]
    assert [c.dossier for c in champions] == [second.sha256]


def test_a_review_is_final_on_every_machine(shared, product):
    one = shared.be("one")
    dossier, uri = candidate(one, product)
    review = review_of(dossier, uri)
    place = write_review(review, one)
    two = shared.be("two")
    assert facts(read_review(place, two), dossier) == facts(review, dossier)
    assert write_review(review, two) == place
    with pytest.raises(Refused, match="a decision is final"):
        write_review(review_of(dossier, uri, "rejected"), shared.be("three"))


def test_the_doctor_says_where_artifacts_lie_and_whether_the_store_answers(machines, monkeypatch):
    settings = machines.be("one")
    found = doctor.artifacts(settings)
    assert found.ok
    assert f"s3://{BUCKET}/{machines.prefix} answers" in found.detail
    assert "ignores conditional writes" in found.detail
    assert machines.stored() == {}
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://somebody:secret@127.0.0.1:9")
    with pytest.raises(ScriptoriumError, match="does not answer") as refused:
        doctor.artifacts(settings)
    assert "secret" not in str(refused.value)
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in str(refused.value)


@pytest.mark.parametrize("root", ["gs://bucket/x", "s3://key:secret@bucket", "s3://bucket/../x", "s3://"])
def test_an_artifact_root_that_is_none_is_refused(root):
    with pytest.raises(ScriptoriumError) as refused:
        read_settings({"SCRIPTORIUM_ARTIFACTS": root})
    assert "secret" not in str(refused.value)
