"""End a process by SIGKILL just before a chosen change of a file, or of what a server keeps."""

import multiprocessing
import os
import re
import signal
import sys

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CHANGES = ("os.rename", "os.remove", "os.link", "os.truncate", "os.mkdir", "os.rmdir")
REQUEST = re.compile(rb"(POST|PUT|PATCH|DELETE) \S+ HTTP/")
CLEAN = multiprocessing.get_context("forkserver")
# Once there, not again in each child; polars starts no thread before its first query.
CLEAN.set_forkserver_preload(
    ["tests.killing", "botocore.exceptions", "dvc.data_cloud", "dvc.fs", "polars", "phonenumbers", "great_expectations"]
)


def kill_at(number, below):
    """End this process by SIGKILL just before its `number`-th change of anything below a folder or in a server.

    What is uploaded file by file is one change. What comes back tells how many changes there were.
    """
    seen, before = 0, None

    def hook(event, arguments):
        nonlocal seen, before
        change = _change(event, arguments, below)
        if change and not change == before == b"PUT":
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1
        before = change or before

    sys.addaudithook(hook)
    return lambda: seen


def _change(event, arguments, below):
    """What is about to be changed, if anything: the method of a request, or the event itself."""
    if event == "http.client.send":
        # A body is sent apart from its head, and as text, a file or bytes.
        asked = REQUEST.match(arguments[1]) if isinstance(arguments[1], bytes) else None
        return asked and asked[1]
    opened = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES
    return event if (opened or event in CHANGES) and str(arguments[0]).startswith(below) else None


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
