"""One real stack for most service tests: Airflow and MLflow on free loopback ports, in a temporary home."""

import shutil
import socket
from collections.abc import Callable, Iterator

import pytest

from pipelines.settings import ROOT, Settings, read_settings
from tests import evidence


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
    """Start the services once; SCRIPTORIUM_* in the environment point at them, for child processes too.

    Beside the shipped recipes there is `checker`, for tests that prepare the artifacts of everything before a decision.
    """
    from pipelines import services as stack
    from pipelines.processes import of_home

    home = tmp_path_factory.mktemp("home")
    shutil.copytree(ROOT / "pipelines" / "recipes", home / "recipes")
    (home / "recipes" / "checker.toml").write_text("seed = 1\n" + evidence.RECIPE)
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
