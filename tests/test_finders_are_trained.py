"""A model that finds answers is trained by every method, judged, and served with its answers."""

import json
import re
import tomllib

import pytest

from models import ranking
from models.methods import METHODS
from pipelines.errors import Refused
from pipelines.recipe_file import parse_recipe
from pipelines.settings import ROOT
from tests.small_finder import made as made  # noqa: PLC0414 - the fixture
from tests.small_finder import recipe, work
from tests.toy_models import TEXTS

RATES = {"full": 3e-3, "ia3": 0.3}


@pytest.mark.parametrize(
    ("finetune", "message"),
    [
        ({"method": "head"}, "finetune.method is 'head', and a model of the task retrieval has none"),
        ({"label_smoothing": 0.1}, "finetune.label_smoothing: retrieval has no labels to spread an answer over"),
        ({"class_weights": True}, "finetune.class_weights is for tasks that answer with a label; retrieval does not"),
        ({"batch_size": 4, "accumulation": 4}, "there would be none; set it to 8 or more"),
    ],
)
def test_what_cannot_go_with_the_task_is_refused_when_the_recipe_is_read(tmp_path, finetune, message):
    with pytest.raises(Refused) as refusal:
        recipe(tmp_path, **finetune)
    assert message in str(refusal.value)


@pytest.mark.slow
@pytest.mark.parametrize("method", [name for name in METHODS if name != "head"])
def test_a_trained_model_finds_what_no_shared_word_could_and_is_served_with_its_answers(made, tmp_path, method):
    from models.serving import load
    from pipelines.finetune import finetune
    from pipelines.score import baselines, score

    finetune(work(tmp_path / "finetune", made, method=method, learning_rate=RATES.get(method, 2e-2)))
    tuned = tmp_path / "finetune" / "out"
    score(work(tmp_path / "score", made | {"model": tuned}))
    baselines(work(tmp_path / "baselines", made))
    ours, theirs = (json.loads((tmp_path / n / "out" / "metrics.json").read_text()) for n in ("score", "baselines"))
    # Beside weights that were never trained adapters learn little: that they learn at all is what they must show here.
    lead = 0.3 if method == "full" else 0.0
    assert ours["mrr"] > max(theirs[name]["mrr"] for name in ("bm25", "frozen_encoder")) + lead
    assert sorted(ranking.read_answers(tuned / "model")) == ["alpha", "beta", "delta", "eta", "gamma", "zeta"]
    lines = (tmp_path / "score" / "out" / "predictions.jsonl").read_text().splitlines()
    predictions = [json.loads(line) for line in lines]
    assert set(predictions[0]) == {"id", "prediction", "rank", "mrr", "recall_1", "recall_5", "ndcg_10"}
    served = load(tuned / "model", "retrieval")([{"question": TEXTS[3]}])[0]
    assert served["prediction"] == served["answers"][0]["answer"] == predictions[0]["prediction"]
    scores = [found["score"] for found in served["answers"]]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)
    assert all(-1 <= score <= 1 for score in scores)


@pytest.mark.slow
@pytest.mark.parametrize(
    "beside",
    [
        {"fgm": 0.5, "neftune": 5.0},
        {"r_drop": 1.0, "dropout": 0.1},
        {"accumulation": 4, "frozen_layers": 0, "optimizer": "adafactor", "early_stopping": 1},
    ],
    ids=lambda found: next(iter(found)),
)
def test_what_goes_beside_a_training_goes_beside_this_one(made, tmp_path, beside):
    from pipelines.finetune import finetune

    finetune(work(tmp_path / "finetune", made, **beside))
    epochs = json.loads((tmp_path / "finetune/out/metrics.json").read_text())["epochs"]
    assert min(epoch["loss"] for epoch in epochs[1:]) < epochs[0]["loss"]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["full", "bottleneck", "prefix"])
def test_what_is_left_of_the_language_is_measured_of_it_too(made, tmp_path, method):
    from pipelines.finetune import finetune
    from pipelines.retention import retention

    texts = [{"text": text, "split": "heldout" if n % 5 == 0 else "train"} for n, text in enumerate(TEXTS)]
    data = recipe(tmp_path).data
    for corpus in (data.corpus, data.replay.corpus):
        (made["dataset"] / corpus).parent.mkdir(parents=True, exist_ok=True)
        (made["dataset"] / corpus).write_text("".join(json.dumps(row) + "\n" for row in texts))
    finetune(work(tmp_path / "finetune", made, epochs=1, method=method))
    inputs = {"dataset": made["dataset"], "adapted": made["base"], "tuned": tmp_path / "finetune" / "out"}
    retention(work(tmp_path / "retention", inputs))
    measured = json.loads((tmp_path / "retention/out/metrics.json").read_text())["bits_per_byte"]
    assert measured["domain"] == measured["general"] > 0


@pytest.mark.slow
def test_a_model_of_older_data_chooses_from_the_answers_of_today(made, tmp_path):
    from pipelines.answers import passage
    from pipelines.finetune import finetune

    finetune(work(tmp_path / "finetune", made, epochs=1))
    row = {"id": "new", "question": "And today?", "answer": "An answer of today."}
    pool = ranking.Pool.of([("table?", "alpha"), (row["question"], row["answer"])])
    found = passage.predictions(passage.TASKS["retrieval"], tmp_path / "finetune/out/model", [row], pool=pool)
    assert found[0]["rank"] in (1, 2)


def test_the_recipe_of_the_documentation_is_one():
    page = (ROOT / "docs" / "retrieval.md").read_text(encoding="utf-8")
    blocks = "\n".join(re.findall(r"```toml\n(.*?)```", page, re.DOTALL))
    rest = {"name": "finder", "description": "", "review": {"reviewers": ["reviewer"]}}
    data = {"corpus": "corpus/a.jsonl", "examples": "tasks/a", "replay": {"corpus": "corpus/a.jsonl"}}
    assert parse_recipe(rest | {"data": data} | tomllib.loads(blocks), "docs").finetune.hard_negatives
