"""What tests of many files share: real servers on free loopback ports, started once."""

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from models.threads import ENVIRONMENT
from pipelines.settings import ROOT, Settings, read_settings
from tests import evidence
from tests.machines import BUCKET, Machines
from tests.mlflow_server import mlflow_server
from tests.s3_server import Server, s3_server

# Before any test has torch compute, as in a step.
os.environ.update(ENVIRONMENT)
NUMBERS = count()


@pytest.fixture(scope="module")
def fp32() -> Iterator[None]:
    """What is compared here lies below the rounding of bf16, in which machines compute that gain by it."""
    from models import precision

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(precision, "gains_by_bf16", lambda _: False)
        yield


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Ports of 127.0.0.1 that nobody listens on."""

    def port() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return port


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int]) -> Iterator[Settings]:
    """Airflow and MLflow in a temporary home; SCRIPTORIUM_* point at them, for child processes too.

    Beside the shipped recipes there is `checker`, for tests that prepare the artifacts of everything before a decision.
    """
    from pipelines import services as stack
    from pipelines.processes import of_home

    home = tmp_path_factory.mktemp("home")
    shutil.copytree(ROOT / "pipelines" / "recipes", home / "recipes")
    told = '["reviewer", "second_reviewer"]\nnotify = "reviewers"'
    two = evidence.RECIPE.replace('["reviewer"]\napprovals_for_first_release = 1', told)
    (home / "recipes" / "checker.toml").write_text("seed = 1\n" + two)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCRIPTORIUM_HOME", str(home))
        patch.setenv("SCRIPTORIUM_RECIPES", str(home / "recipes"))
        patch.setenv("SCRIPTORIUM_AIRFLOW_PORT", str(free_port()))
        patch.setenv("SCRIPTORIUM_MLFLOW_PORT", str(free_port()))
        settings = read_settings()
        try:
            stack.up(settings)
            yield settings
        finally:
            stack.down(settings)
        assert of_home(home) == [], "stopping the services left processes behind"


@pytest.fixture(scope="session")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """MLflow alone, for tests of what stands in it."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as url:
        yield url


@pytest.fixture
def mlflow_settings(tmp_path: Path, mlflow_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home and recipes of the test's own, and the MLflow of all tests."""
    (tmp_path / "recipes").mkdir()
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path))
    monkeypatch.setenv("SCRIPTORIUM_RECIPES", str(tmp_path / "recipes"))
    monkeypatch.setenv("SCRIPTORIUM_MLFLOW_URL", mlflow_url)
    return read_settings()


@pytest.fixture
def product() -> str:
    """The name of a recipe of the test's own, for MLflow is the same for all."""
    return f"checker_{next(NUMBERS)}"


@pytest.fixture(scope="session")
def artifact_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real S3 server with a bucket for artifacts."""
    folder = tmp_path_factory.mktemp("s3") / "buckets"
    (folder / BUCKET).mkdir(parents=True)
    with s3_server(folder) as server:
        yield server


@pytest.fixture
def machines(tmp_path: Path, artifact_store: Server, monkeypatch: pytest.MonkeyPatch) -> Machines:
    """Machines that share an artifact root in S3, of the test's own."""
    return Machines(tmp_path, f"of/{next(NUMBERS)}", artifact_store, monkeypatch)
