"""End a process by SIGKILL just before a chosen change of a file."""

import multiprocessing
import os
import signal
import sys

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CHANGES = ("os.rename", "os.remove", "os.link", "os.truncate", "os.mkdir", "os.rmdir")
CLEAN = multiprocessing.get_context("forkserver")
# Once there, not again in each child; polars starts no thread before its first query.
CLEAN.set_forkserver_preload(
    ["tests.killing", "botocore.exceptions", "dvc.data_cloud", "dvc.fs", "polars", "phonenumbers"]
)


def kill_at(number, below):
    """End this process by SIGKILL just before its `number`-th change of anything below a folder.

    What comes back tells how many changes there were.
    """
    seen = 0

    def hook(event, arguments):
        nonlocal seen
        opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES
        if (opened or event in CHANGES) and str(arguments[0]).startswith(below):
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1

    sys.addaudithook(hook)
    return lambda: seen


def killed(action, number, below):
    """Do something in a child that is killed so; whether it was, and did not come to its end.

    The child is no fork of this process: one of a process in which polars has threads would wait for them for ever.
    `action` is a partial of a function that can be imported.
    """
    child = CLEAN.Process(target=_do, args=(action, number, str(below)))
    child.start()
    child.join()
    assert child.exitcode in (0, -signal.SIGKILL)
    return child.exitcode != 0


def _do(action, number, below):
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    kill_at(number, below)
    action()
