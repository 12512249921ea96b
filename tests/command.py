"""Run a command of `scriptorium` in this process, for tests that need no process of its own."""

import sys
from types import SimpleNamespace

import pytest

from pipelines import cli


def scriptorium(capsys, *arguments, code=0):
    """What a command wrote to `out` and `err`; it must end with this exit code."""
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(sys, "argv", ["scriptorium", *arguments])
        cli.main()
    written = capsys.readouterr()
    assert (ended.value.code or 0) == code, written
    return SimpleNamespace(out=written.out, err=written.err)
