"""A taking that is killed, doubled or overtaken by a writer ends with everything taken once and whole."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from pipelines.settings import ROOT
from tests.landed_files import FILES, contents, fill, quietly, settings, source, taken

__all__ = ["settings", "source"]


GROW = """
import sys, time, pathlib
with open(sys.argv[1], "ab", buffering=0) as file:
    while not pathlib.Path(sys.argv[2]).exists():
        file.write(b"row\\n"); time.sleep(0.005)
    file.write(b"end\\n")
"""


def test_a_file_that_is_still_being_written_is_left_and_taken_whole_later(source, settings, tmp_path):
    growing = source / "grows.jsonl"
    writer = subprocess.Popen([sys.executable, "-c", GROW, str(growing), str(tmp_path / "enough")])
    try:
        while not growing.exists():
            time.sleep(0.005)
        found = quietly(source, settings, quiet_s=0.3)
        assert found.left == {"grows.jsonl": "it is still being written"}
    finally:
        (tmp_path / "enough").touch()
        assert writer.wait(30) == 0
    assert contents(quietly(source, settings).folder / "files") == {"grows.jsonl": growing.read_bytes()}


def test_a_file_that_changes_while_it_is_read_is_left_not_mixed(source, settings):
    restless, enough = source / "restless.jsonl", threading.Event()
    fill(source, {"restless.jsonl": bytes(30_000_000)})

    def change():
        while not enough.wait(0.001):
            os.utime(restless, (1_700_000_000, 1_700_000_000))

    writer = threading.Thread(target=change)
    writer.start()
    try:
        found = quietly(source, settings)
    finally:
        enough.set()
        writer.join()
    assert found.left == {"restless.jsonl": "it changes while it is being read"}
    assert contents(found.folder / "files") == FILES


def kill_at(event, number, source, settings):
    """In a child process: take, and be killed at the moment before the n-th such event below HOME."""
    seen = 0

    def hook(name, arguments):
        nonlocal seen
        if name in event and str(settings.home) in str(arguments[0]):
            seen += 1
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    quietly(source, settings)


@pytest.mark.slow
@pytest.mark.parametrize("kills", [1, 3])
def test_killed_at_any_point_the_next_take_has_all_of_it_exactly_once(source, settings, kills):
    """The kill comes before every single opening, moving, making and deleting of a file, one after the other."""
    events = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir"}
    fork = multiprocessing.get_context("fork")
    for number in range(1, 1000):
        here = replace(settings, home=settings.home / str(number))
        for _ in range(kills):
            child = fork.Process(target=kill_at, args=(events, number, source, here))
            child.start()
            child.join()
            assert taken(here) in ([], sorted(FILES.items()))
        quietly(source, here)
        assert taken(here) == sorted(FILES.items())
        assert not list(here.work.glob("landing/*"))
        if child.exitcode == 0:
            break
        assert child.exitcode == -signal.SIGKILL
    assert number > 10


TAKE = """
import sys
from pipelines.landing import take
from pipelines.settings import read_settings
take(sys.argv[1], read_settings(), quiet_s=0.01)
"""


def test_two_takes_at_once_share_the_work_and_double_nothing(source, settings):
    fill(source, {f"{number}.jsonl": os.urandom(100_000) for number in range(50)})
    command = [sys.executable, "-c", TAKE, str(source)]
    both = [subprocess.Popen(command, cwd=ROOT) for _ in range(2)]
    assert [process.wait(60) for process in both] == [0, 0]
    assert taken(settings) == sorted(contents(source).items())
