"""What `make` finds wrong with the machine, in words, before it changes anything."""

import os
import shutil
import subprocess

import pytest

from pipelines.settings import ROOT


@pytest.fixture
def setup(tmp_path):
    (tmp_path / "infra").mkdir()
    for name in ("infra/setup.sh", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path / name)

    def run(python="", **environ):
        script = tmp_path / "python"
        script.write_text(f"#!/bin/sh\n{python}\n")
        script.chmod(0o755)
        environment = os.environ | {"PYTHON": str(script)} | environ
        return subprocess.run(
            ["infra/setup.sh"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )

    return run


def test_an_old_python_is_named_with_those_that_do(setup):
    result = setup("echo 3.9.2")
    assert result.returncode == 1
    assert "is Python 3.9.2; the lock is for 3.11 (tested), 3.12 and 3.13" in result.stderr


def test_a_missing_venv_module_is_answered_with_the_package_that_has_it(setup):
    result = setup('case "$2" in *version_info*) echo 3.11.2;; *) exit 1;; esac')
    assert result.returncode == 1
    assert "apt install python3-venv" in result.stderr


def test_a_python_that_does_not_run_is_named(setup):
    assert "does not run; install Python 3.11" in setup("exit 127").stderr


def test_an_unknown_torch_build_is_refused(setup):
    assert "TORCH is 'rocm'; it is cpu (the default) or cuda" in setup("echo 3.11.2", TORCH="rocm").stderr
