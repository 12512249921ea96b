"""The share of toxic texts is what a named, pinned classifier says of a sample that no order of rows changes."""

import json
import random
import subprocess
import sys

import pytest

from models.tasks import TASKS
from pipelines.comparison import Comparison
from pipelines.errors import Refused
from pipelines.gates import judge
from pipelines.limits import Limits, Toxicity
from pipelines.packet_suites import toxicity as told_toxicity
from pipelines.pins import pinned_limits
from pipelines.recipe import Gate
from pipelines.report import render_report
from pipelines.settings import ROOT, read_settings
from pipelines.toxicity import Sample
from pipelines.toxicity_report import measured
from tests.test_report_can_be_read_offline import report as whole_report
from tests.toy_models import encoder_folder

pytestmark = pytest.mark.slow

KIND = ["What a lovely day in the garden.", "Thank you for the quiet room.", "The staff helped us with the bags."]
TOXIC = ["You are a worthless idiot, go away.", "Shut up, you stupid worthless fool.", "These idiots are stupid."]


def rows(count, share, seed=1):
    chance = random.Random(seed)
    for number in range(count):
        is_toxic = number < share * count
        text = f"{chance.choice(TOXIC if is_toxic else KIND)} {chance.randrange(10**6)}"
        yield {"id": f"{seed}-{number}", "text": text, "lang": "en", "label": "toxic" if is_toxic else "kind"}


@pytest.fixture(scope="module")
def screen(tmp_path_factory):
    """A classifier's folder that has learned which of the texts above are toxic."""
    from models import backbone, objectives, train
    from models.checkpoint import Checkpoints
    from models.schedule import Pace, Passes

    folder, known = tmp_path_factory.mktemp("screen"), list(rows(240, 0.5, 7))
    random.Random(2).shuffle(known)
    encoder = encoder_folder(folder / "encoder", [row["text"] for row in known])
    model, tokenizer = backbone.new_classifier(encoder, ["kind", "toxic"], 1, 64, 1)
    labels = [int(row["label"] == "toxic") for row in known]
    plan = objectives.label_plan(tokenizer, [(row["text"],) for row in known], labels, Passes(16, 4, 1))
    train.train(model, plan, Pace(3e-3), Checkpoints(folder / "checkpoints"))
    backbone.save(model, tokenizer, folder / "model")
    return folder / "model"


def checked(path, screen, *more):
    command = [sys.executable, "-m", "pipelines.cli", "validate", str(path), "--task", "classification", "--json"]
    command += [f"--toxicity={screen}", *more]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done, json.loads(done.stdout) if done.stdout else None


def written(path, found):
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    return path


@pytest.mark.parametrize(("share", "severity", "code"), [(0.0, None, 0), (0.05, "warn", 0), (0.5, "reject", 10)])
def test_few_are_warned_of_and_many_refused_with_places_and_the_model_that_says_so(
    tmp_path, screen, share, severity, code
):
    done, result = checked(written(tmp_path / "a.jsonl", rows(200, share)), screen)
    assert done.returncode == code, done.stderr
    found = [finding for finding in result["findings"] if finding["check"] == "toxicity"]
    assert [finding["severity"] for finding in found] == ([severity] if severity else [])
    for finding in found:
        assert finding["rows"] == share * 200
        assert finding["examples"][0]["line"] == 1
        assert f"as {screen} says, sha256 " in finding["message"]
        assert not any(text in json.dumps(finding) for text in TOXIC), "a finding repeats no text"


def test_a_label_that_the_classifier_does_not_know_is_refused_with_those_that_it_knows(tmp_path, screen):
    done, _ = checked(written(tmp_path / "a.jsonl", rows(20, 0)), screen, "--toxic-label=rude")
    assert done.returncode == 10
    assert "label is 'rude'" in done.stderr
    assert "says kind, toxic" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({}, "is no classifier"),
        ({"architectures": ["PairClassifier"], "id2label": {"0": "no", "1": "toxic"}}, "compares two texts"),
        ({"architectures": ["TextClassifier"], "id2label": {"0": "no"}}, "label is 'toxic'"),
    ],
)
def test_a_model_that_cannot_say_it_is_refused_before_a_row_is_read(tmp_path, config, why):
    (tmp_path / "model.safetensors").write_bytes(b"")
    (tmp_path / "config.json").write_text(json.dumps(config))
    done, result = checked(written(tmp_path / "a.jsonl", rows(20, 0)), tmp_path)
    assert (done.returncode, result) == (10, None)
    assert why in done.stderr
    assert "reading" not in done.stderr


def test_limits_hold_the_digest_of_the_model_that_was_there_and_no_other_will_do(tmp_path, screen):
    import shutil

    from pipelines.toxicity import toxic

    shutil.copytree(screen, tmp_path / "screen")
    held = pinned_limits(Limits(toxicity=Toxicity(model=str(tmp_path / "screen"))), read_settings()).toxicity
    with (tmp_path / "screen" / "model.safetensors").open("ab") as file:
        file.write(b"0")
    with pytest.raises(Refused, match=f"has the weights {held.sha256}"):
        toxic(sample_of(rows(5, 0)), held)
    with pytest.raises(Refused, match=r"has no model\.safetensors"):
        pinned_limits(Limits(toxicity=Toxicity(model=str(tmp_path / "none"))), read_settings())


def sample_of(found, most=10, blocks=1):
    import polars as pl

    from pipelines.blocks import PLACE, WRITTEN

    frame = pl.DataFrame([{WRITTEN: row["text"], PLACE: n} for n, row in enumerate(found)])
    sample = Sample(most)
    for start in range(blocks):
        sample.add(frame[start::blocks])
    return sample


def test_the_sample_is_the_same_in_whatever_order_and_blocks_the_rows_come():
    from pipelines.blocks import WRITTEN

    all_rows = list(rows(300, 0.5))
    one = set(sample_of(all_rows).texts[WRITTEN])
    shuffled = random.Random(5).sample([*all_rows, *all_rows[:50]], 350)
    assert set(sample_of(shuffled, blocks=7).texts[WRITTEN]) == one
    assert len(one) == 10


def test_a_recipe_without_a_champion_cannot_say_what_is_toxic(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path))
    with pytest.raises(Refused, match="did you mean 'summary_checker'"):
        pinned_limits(Limits(toxicity=Toxicity(model="sumary_checker")), read_settings())


def test_written_texts_are_judged_beside_those_of_people_and_a_gate_limits_them(screen):
    task = TASKS["generation"]
    asked = [{"id": f"r{n}", "prompt": f"say {n}", "completion": TOXIC[0] if n < 2 else KIND[0]} for n in range(40)]
    answers = [{"id": f"r{n}", "prediction": f"{TOXIC[n % 3]} <b>" if n < 8 else KIND[n % 3]} for n in range(40)]
    limits = pinned_limits(Limits(toxicity=Toxicity(model=f"{screen}")), read_settings())
    found = measured(Comparison(task, asked, 7), answers, limits.toxicity)

    assert (found["n"], found["rate"]["value"], found["references"]["value"]) == (40, 0.2, 0.05)
    assert {one["id"] for one in found["toxic"]} <= {f"r{n}" for n in range(8)}
    assert len(found["toxic"]) == 5
    page = render_report(whole_report() | {"toxicity": found})
    assert "<h2>Toxic answers</h2>" in page
    assert "&lt;b&gt;" in page
    assert "0.2000 (" in told_toxicity({"toxicity": found})
    gates = [Gate(metric="toxicity_rate", at_most=limit) for limit in (0.1, 0.3)]
    assert [verdict.outcome for verdict in judge(gates, {"metrics": {}, "toxicity": found})] == ["fail", "pass"]
    assert judge(gates[:1], {"metrics": {}, "toxicity": {}})[0].outcome == "error"
