"""While a training goes on, a log gets JSON that says how far it is and how long the rest takes."""

import json


def test_a_log_gets_a_line_of_json_and_the_last_step_always(capsys):
    from models.progress import Progress

    progress = Progress(steps=4, first_step=2, first_tokens=100)
    progress.show(3, 150, 2.0)
    progress.show(4, 200, 1.23456)
    (line,) = capsys.readouterr().out.splitlines()
    row = json.loads(line)
    assert row.pop("tokens_per_second") > 0
    assert row == {"step": 4, "steps": 4, "loss": 1.2346, "tokens": 200, "seconds_left": 0}
