"""End a process by SIGKILL just before a chosen change of a file."""

import os
import signal
import sys

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
CHANGES = ("os.rename", "os.remove", "os.link", "os.truncate", "os.mkdir", "os.rmdir")


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
    """Do something in a child that is killed so; whether it was, and did not come to its end."""
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        kill_at(number, str(below))
        try:
            action()
        finally:
            os._exit(int(sys.exc_info()[0] is not None))
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ended in (0, -signal.SIGKILL)
    return ended != 0
