"""A taking that is killed, doubled or overtaken by a writer ends with everything taken once and whole."""

import hashlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from pipelines.artifact import MANIFEST
from pipelines.delivery import deliveries
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


def kill_at(event, number, source, settings, file=""):
    """In a child process: take, and be killed at the moment before the n-th such event below HOME (of such a file)."""
    seen = 0

    def hook(name, arguments):
        nonlocal seen
        path = str(arguments[0]) if name in event else ""
        if str(settings.home) in path and path.endswith(file):
            seen += 1
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    quietly(source, settings)


def killed_at(*arguments):
    """How such a child process ended."""
    child = multiprocessing.get_context("fork").Process(target=kill_at, args=arguments)
    child.start()
    child.join()
    return child.exitcode


EVENTS = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir"}


@pytest.mark.slow
@pytest.mark.parametrize("kills", [1, 3])
def test_killed_at_any_point_the_next_take_has_all_of_it_exactly_once(source, settings, kills):
    """The kill comes before every single opening, moving, making and deleting of a file, one after the other."""
    for number in range(1, 1000):
        here = replace(settings, home=settings.home / str(number))
        for _ in range(kills):
            ended = killed_at(EVENTS, number, source, here)
            assert taken(here) in ([], sorted(FILES.items()))
        quietly(source, here)
        assert taken(here) == sorted(FILES.items())
        assert not list(here.work.glob("landing/*"))
        if ended == 0:
            break
        assert ended == -signal.SIGKILL
    assert number > 10


@pytest.mark.slow
def test_killed_at_any_point_what_changed_between_two_tries_is_delivered_as_it_is_now(source, settings):
    """The file has arrived in the first try, and has other content of the same size in the second."""
    for number in range(1, 1000):
        here, now = replace(settings, home=settings.home / str(number)), FILES | {"a.jsonl": b"two\n"}
        fill(source, FILES)
        assert killed_at({"open"}, 1, source, here, MANIFEST) == -signal.SIGKILL
        fill(source, now)
        ended = killed_at(EVENTS, number, source, here)
        quietly(source, here)
        assert taken(here) == sorted(now.items())
        named = {file.name: file.sha256 for delivery in deliveries(here) for file in delivery.files}
        assert named == {name: hashlib.sha256(content).hexdigest() for name, content in now.items()}
        if ended == 0:
            break
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
