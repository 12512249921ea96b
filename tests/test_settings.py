"""The environment is read strictly, and is handed on to other processes whole."""

import pytest

from pipelines.errors import ScriptoriumError
from pipelines.settings import as_environment, read_settings


def test_an_unknown_variable_gets_the_near_miss():
    with pytest.raises(ScriptoriumError, match="SCRIPTORIUM_HOMES is unknown; did you mean 'SCRIPTORIUM_HOME'"):
        read_settings({"SCRIPTORIUM_HOMES": "/tmp"})


@pytest.mark.parametrize("port", ["80", "70000", "http"])
def test_a_port_that_is_none_is_refused_with_the_range(port):
    with pytest.raises(ScriptoriumError, match=r"SCRIPTORIUM_MLFLOW_PORT is '.*a port number from 1024 to 65535"):
        read_settings({"SCRIPTORIUM_MLFLOW_PORT": port})


def test_threads_that_are_no_number_are_refused():
    with pytest.raises(ScriptoriumError, match="SCRIPTORIUM_THREADS is 'many'"):
        read_settings({"SCRIPTORIUM_THREADS": "many"})


@pytest.mark.parametrize("seconds", ["soon", "-1", "29"])
def test_patience_that_a_busy_moment_would_use_up_is_refused(seconds):
    with pytest.raises(ScriptoriumError, match=r"SCRIPTORIUM_TASK_LOST_AFTER is .*30 or more"):
        read_settings({"SCRIPTORIUM_TASK_LOST_AFTER": seconds})


def test_checkpoints_all_the_time_are_refused():
    with pytest.raises(ScriptoriumError, match="SCRIPTORIUM_CHECKPOINT_EVERY is '0'; it takes a number of seconds, 1"):
        read_settings({"SCRIPTORIUM_CHECKPOINT_EVERY": "0"})
    with pytest.raises(
        ScriptoriumError, match="SCRIPTORIUM_CHECKPOINT_STEPS is '-1'; it takes a number of steps, or 0"
    ):
        read_settings({"SCRIPTORIUM_CHECKPOINT_STEPS": "-1"})


def test_curves_of_an_unknown_kind_are_refused_with_the_near_miss():
    with pytest.raises(ScriptoriumError, match="SCRIPTORIUM_CURVES names 'tensorbord'; did you mean 'tensorboard'"):
        read_settings({"SCRIPTORIUM_CURVES": "tensorbord"})


def test_another_process_in_another_folder_reads_the_same_settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = read_settings(
        {"SCRIPTORIUM_HOME": "here", "SCRIPTORIUM_AIRFLOW_PORT": "18080", "SCRIPTORIUM_CHECKPOINT_EVERY": "3"}
        | {"SCRIPTORIUM_CURVES": "tensorboard, tensorboard"}
    )
    monkeypatch.chdir("/")
    assert settings.home == tmp_path / "here"
    assert read_settings(as_environment(settings)) == settings
