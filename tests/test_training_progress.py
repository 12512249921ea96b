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


def test_who_follows_a_log_reads_sentences_and_all_else_as_it_stands():
    from models.progress import spoken

    row = {"step": 30, "steps": 62, "loss": 6.4577, "tokens": 53082, "tokens_per_second": 1667, "seconds_left": 94}
    assert spoken(json.dumps(row)) == "step 30 of 62 (48%), loss 6.458, 1,667 tokens/s, 1 min 34 s left"
    for line in ("epoch 1: {}", '{"step": 3}', '{"step": 3', "refused: no rows"):
        assert spoken(line) == line
