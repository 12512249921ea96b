"""One real stack for all service tests: Airflow and MLflow on free loopback ports, in a temporary home."""

import socket
from collections.abc import Callable, Iterator

import pytest

from pipelines.settings import Settings, read_settings


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
    """Start the services once; SCRIPTORIUM_* in the environment point at them, for child processes too."""
    from pipelines import services as stack
    from pipelines.processes import of_home

    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCRIPTORIUM_HOME", str(home))
        patch.setenv("SCRIPTORIUM_AIRFLOW_PORT", str(free_port()))
        patch.setenv("SCRIPTORIUM_MLFLOW_PORT", str(free_port()))
        settings = read_settings()
        try:
            stack.up(settings)
            yield settings
        finally:
            stack.down(settings)
        assert of_home(home) == [], "stopping the services left processes behind"
