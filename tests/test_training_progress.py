"""While a training goes on, a log gets JSON that says how far it is and how long the rest takes, a terminal a bar."""

import json
import os
import pty
import re
import signal
import subprocess
import sys

import pytest

from pipelines.settings import ROOT
from tests.toy_models import encoder_folder


def test_a_log_gets_a_line_of_json_and_the_last_step_always(capsys):
    from models.progress import Progress

    progress = Progress(steps=4, first_step=2, first_tokens=100)
    progress.show(3, 150, 2.0)
    progress.show(4, 200, 1.23456)
    (line,) = capsys.readouterr().out.splitlines()
    row = json.loads(line)
    assert row.pop("tokens_per_second") > 0
    assert row == {"step": 4, "steps": 4, "loss": 1.2346, "tokens": 200, "seconds_left": 0}


def test_who_follows_a_log_reads_sentences_and_all_else_as_it_stands():
    from models.progress import spoken

    row = {"step": 30, "steps": 62, "loss": 6.4577, "tokens": 53082, "tokens_per_second": 1667, "seconds_left": 94}
    assert spoken(json.dumps(row)) == "step 30 of 62 (48%), loss 6.458, 1,667 tokens/s, 1 min 34 s left"
    for line in ("epoch 1: {}", '{"step": 3}', '{"step": 3', "refused: no rows"):
        assert spoken(line) == line


TRAINING = """
from models.progress import Progress
progress = Progress(steps=3, first_step=0, first_tokens=0)
for step in (1, 2, 3):
    progress.show(step, step * 100, 1 / step)
    if step == 2:
        print("epoch 1: [bold]well[/]", flush=True)
progress.close()
print("refused: no more")
"""
FOLLOWED = """
import json
from pipelines.follow import _Screen
row = {"step": 30, "steps": 62, "loss": 6.4577, "tokens": 53082, "tokens_per_second": 1667, "seconds_left": 94}
screen = _Screen(None, "train__x", "r1")
screen._line("finetune", json.dumps(row))
screen._line("pretrain", json.dumps(row | {"step": 31}))
screen._line("pretrain", "epoch 1: well")
screen.close()
"""


def in_terminal(command, columns=80, until=None):
    """What a terminal of so many columns gets; `until` is called with all that came so far."""
    screen, keyboard = pty.openpty()
    environment = os.environ | {"COLUMNS": str(columns), "TERM": "xterm", "PYTHONPATH": str(ROOT)}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(command, stdout=keyboard, stderr=keyboard, cwd=ROOT, env=environment)
    os.close(keyboard)
    said = b""
    while True:
        try:
            piece = os.read(screen, 4096)
        except OSError:  # how Linux says that nobody holds the other end any more
            piece = b""
        if not piece:
            break
        said += piece
        if until:
            until(process, said.decode(errors="replace"))
    os.close(screen)
    process.wait(60)
    return said.decode()


def plain(said):
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said)


@pytest.mark.parametrize("columns", [60, 120])
def test_a_terminal_gets_a_bar_below_all_that_is_printed_and_is_given_back(columns):
    said = in_terminal([sys.executable, "-c", TRAINING], columns)
    assert '{"step"' not in said
    assert re.search(r"3 of 3 loss 0\.333, [0-9,]+ tokens/s, 0 s left", plain(said)), plain(said)
    assert "epoch 1: [bold]well[/]\r\n" in plain(said), "a line of its own, as it stands"
    assert said.rindex("\x1b[?25h") > said.rindex("\x1b[?25l"), "the cursor is shown again"
    assert said.endswith("refused: no more\r\n")


def test_who_follows_a_run_in_a_terminal_sees_a_bar_for_each_training():
    said = plain(in_terminal([sys.executable, "-c", FOLLOWED], 100))
    assert '{"step"' not in said
    last = said[said.rindex("epoch 1: well") :]
    assert re.search(r"finetune .* 30 of 62 loss 6\.458, 1,667 tokens/s, 1 min 34 s left", last)
    assert re.search(r"pretrain .* 31 of 62", last)


@pytest.mark.slow
def test_a_training_that_is_stopped_gives_the_terminal_back(tmp_path):
    asked = []

    def stop(process, said):
        if " of 16" in said and not asked:
            asked.append(process.send_signal(signal.SIGTERM))

    base = encoder_folder(tmp_path / "base")
    toy = [sys.executable, "-m", "tests.train_toy", "classifier", str(base), str(tmp_path), "0.2"]
    said = in_terminal(toy, 100, stop)
    assert "stopped: checkpoint saved at step" in said
    assert said.rindex("\x1b[?25h") > said.rindex("\x1b[?25l")
