"""What data and recipes say in brackets is said as it stands: Rich would take it for a style, or end in an error."""

import pytest

from pipelines import terminal
from pipelines.flow import Forecast
from pipelines.verdict import Verdict

WORDS = "author [deleted] and [/b]"
SCORES = {
    "primary": "accuracy",
    "metrics": {"accuracy": {"value": 0.8, "low": 0.7, "high": 0.9}},
    "baselines": {},
    "bits_per_byte": {"base": {}, "pretrained": {}},
    "bits_per_byte_change": {},
}


@pytest.mark.parametrize("outcome", ["pass", "fail"])
def test_in_what_a_gate_says(outcome, capsys):
    said = Verdict(metric="accuracy", condition="not below", outcome=outcome, message=WORDS)
    terminal.report(SCORES, [said], as_json=False)
    assert WORDS in capsys.readouterr().out


def test_in_what_a_recipe_changed(capsys):
    terminal.plan([Forecast("finetune", reused=False, why=WORDS, uri=None)], as_json=False)
    assert WORDS in capsys.readouterr().out
