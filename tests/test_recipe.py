"""A recipe is strict: what it does not know is refused with the key and the near miss."""

import tomllib
from pathlib import Path

import pytest

from models.tasks import TASKS
from pipelines.errors import Refused
from pipelines.recipe_file import form_values, load_recipe, overrides_from_form
from pipelines.recipe_fit import CHANGES

RECIPE = """
name = "checker"
description = "Does the summary belong to the document?"
task = "pair_classification"
[data]
corpus = "corpus/domain.jsonl"
examples = "tasks/summary_check"
replay = { corpus = "corpus/general.jsonl", share = 0.1 }
[base]
model = "hf://org/name"
sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
[pretrain]
objective = "masked"
tokens = 1000
[finetune]
epochs = 2
[[gates]]
metric = "accuracy"
at_least = 0.7
[review]
reviewers = ["reviewer"]
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "checker.toml"
    path.write_text(RECIPE)
    return path


def test_a_recipe_is_read_whole(path):
    recipe = load_recipe(path)
    assert (recipe.name, recipe.finetune.epochs, recipe.gates[0].at_least) == ("checker", 2, 0.7)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[finetune]\nepoch = 3", "unknown key 'finetune.epoch'; did you mean 'epochs'?"),
        ("[finetune]\nepochs = -1", "finetune.epochs: Input should be greater than or equal to 0"),
        ('[finetune]\nepochs = "3"', "finetune.epochs: Input should be a valid integer"),
        ('[finetune]\nmethod = "magic"', "finetune.method: Input should be 'full', 'head', 'lora', 'dora', "),
    ],
)
def test_a_wrong_key_or_value_is_refused_with_its_place(path, line, message):
    path.write_text(RECIPE.replace("[finetune]\nepochs = 2", line))
    with pytest.raises(Refused) as refusal:
        load_recipe(path)
    assert message in str(refusal.value)
    assert "checker.toml" in str(refusal.value)


def test_a_gate_with_two_conditions_is_refused(path):
    path.write_text(RECIPE.replace("at_least = 0.7", "at_least = 0.7\nat_most = 0.9"))
    with pytest.raises(Refused, match="exactly one of"):
        load_recipe(path)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (
            'metric = "accuracy"',
            'metric = "acuracy"',
            "gates.0.metric: pair_classification has no metric 'acuracy'; d",
        ),
        ('metric = "accuracy"', 'metric = "rouge_l"', "allowed: accuracy, auc, bits_per_byte_domain_change"),
        (
            'metric = "accuracy"',
            'metric = "bits_per_byte_domian_change"',
            "mean 'bits_per_byte_domain_change'?",
        ),
        ('metric = "accuracy"\nat_least = 0.7', 'metric = "f1"\nabove = "baseline"', "compared on accuracy; f1 takes"),
        ('metric = "accuracy"\nat_least = 0.7', 'metric = "auc"\nnot_below = "champion"', "compared on accuracy; auc"),
        ("at_least = 0.7", "at_least = nan", "gates.0.at_least: Input should be a finite number"),
        ("at_least = 0.7", "at_least = 0.7\nmargin = 0.1", "gates.0: margin goes with above or not_below"),
        ("at_least = 0.7", "at_least = 0.7\nconfidence = 0.9", "unknown key 'gates.0.confidence'"),
        ("epochs = 2", "r_drop = 1.0", "r_drop compares two readings that dropout makes differ; set finetune.dropout"),
        (
            "epochs = 2",
            "fgm = 0.5\nfreelb = 0.5",
            "finetune.freelb moves words as finetune.fgm does, further on; leave",
        ),
        (
            "epochs = 2",
            "freelb_readings = 4",
            "finetune.freelb_readings is for freelb, which is 0; set finetune.freelb",
        ),
        ("epochs = 2", "focal = -1.0", "finetune.focal: Input should be greater than or equal to 0"),
        ("epochs = 2", 'optimizer = "adam"', "finetune.optimizer: Input should be 'adamw', 'sgd' or 'adafactor'"),
        (
            "epochs = 2",
            'method = "prefix"\nlayer_decay = 0.9',
            "finetune.layer_decay: no layer learns with method 'prefix'",
        ),
        ("tokens = 1000", 'tokens = 1000\nmasking = "word"', "pretrain.masking: Input should be 'token', 'whole_word'"),
        ("epochs = 2", "accumulation = 5", "finetune.accumulation must divide finetune.batch_size"),
        ("tokens = 1000", "tokens = 1000\naccumulation = 3", "pretrain.accumulation must divide pretrain.batch_tokens"),
        (
            "tokens = 1000",
            "tokens = 1000\nbatch_tokens = 1024\naccumulation = 16",
            "pretrain.block is 128, and a part of a batch (batch_tokens / accumulation) has 64 tokens, fewer than one",
        ),
        ("corpus/domain.jsonl", "../domain.jsonl", "data.corpus: '../domain.jsonl' leaves data/"),
        ("corpus/general.jsonl", "/tmp/general.jsonl", "data.replay.corpus: '/tmp/general.jsonl' leaves data/"),
        ("tasks/summary_check", "tasks/summary_check/", "'tasks/summary_check/' is written as 'tasks/summary_check'"),
        ("tokens = 1000", 'tokens = 1000\newc = 1.0\nmethod = "lora"', "pretrain.ewc holds weights that lora does not"),
        (
            "tokens = 1000",
            "tokens = 0\newc = 1.0",
            "pretrain.ewc holds what training would change, and pretrain.tokens is 0",
        ),
        (
            "tokens = 1000",
            'tokens = 0\nschedule = "wsd"',
            "pretrain.schedule paces a training, and pretrain.tokens is 0",
        ),
        ("tokens = 1000", "tokens = 0\nwarm_up = 0.1", "pretrain.warm_up paces a training, and pretrain.tokens is 0"),
        (
            "epochs = 2",
            'schedule = "cosin"',
            "finetune.schedule: Input should be 'linear', 'cosine', 'constant' or 'wsd'",
        ),
        ("epochs = 2", "warm_up = 0.6", "finetune.warm_up: Input should be less than or equal to 0.5"),
        ('"masked"', '"denoising"', "is 'denoising'; the task pair_classification needs 'masked' or 'causal'"),
        ('"pair_classification"', '"generation"', "pretrain.objective is 'masked'; the task generation needs 'causal'"),
        ('model = "hf://org/name"', 'model = { scratch = "tiny-decoder" }', "takes another; did you mean"),
    ],
)
def test_parts_that_do_not_fit_each_other_are_refused_before_anything_runs(path, before, after, message):
    assert before in RECIPE
    path.write_text(RECIPE.replace(before, after))
    with pytest.raises(Refused) as refusal:
        load_recipe(path)
    assert message in str(refusal.value)
    assert "Value error" not in str(refusal.value)
    assert all(line.startswith("checker.toml: ") and len(line) < 250 for line in str(refusal.value).splitlines())


@pytest.mark.parametrize("key", ["class_weights = true", "focal = 2.0"])
def test_what_is_for_labels_is_refused_where_texts_are_written(path, key):
    text = RECIPE.replace('"pair_classification"', '"generation"').replace('"masked"', '"causal"')
    path.write_text(text.replace("epochs = 2", key))
    with pytest.raises(Refused, match=f"finetune.{key.split()[0]} is for tasks that answer with a label; generation"):
        load_recipe(path)


WITHOUT_INTERVAL = {"distinct_1", "distinct_2", "self_bleu"}


def test_the_metrics_that_a_gate_may_name_are_those_that_are_measured():
    from models.metrics import HIGHER_IS_BETTER

    labelled = [{"label": a, "prediction": "no", "probability": 0.4} for a in ("no", "yes")]
    written = {"bits": 9.0, "bytes": 6, "bleu": [1] * 10, "edit_f05": [1, 2, 2]}
    written |= {"gleu": [1] * 10, "ter": [1, 2], "attribute_success": [1, 2], "prediction": "a b"}
    shares = ("rouge_1", "rouge_2", "rouge_l", "chrf", "grounding", "repetition", "sari", "bert_score")
    written |= dict.fromkeys(shares, 0.5)
    clicked = [{"id": a, "user_id": "u", "label": a, "probability": 0.4} for a in ("0", "1")]
    answers = {
        "recommendation": clicked,
        "multi_label": [{"labels": ["a"], "prediction": ["a"]}],
        "retrieval": [dict.fromkeys(("mrr", "recall_1", "recall_5", "ndcg_10"), 0.5)],
        **dict.fromkeys(("classification", "pair_classification"), labelled),
        **{key: [written] for key in ("dialog", "generation", "rewriting", "summarisation", "translation")},
    }
    for name, task in TASKS.items():
        whole = task.answer in ("click", "label", "labels")
        kept = [{key: value for key, value in answer.items() if whole or key in shown(task)}
                for answer in answers[name]]  # fmt: skip
        assert (
            set(task.measures) == set(task.metrics(kept)) == set(task.statistics(kept)) | WITHOUT_INTERVAL & shown(task)
        )
        assert task.primary in task.measures
    assert set(HIGHER_IS_BETTER) == {*CHANGES, *(metric for task in TASKS.values() for metric in task.measures)}


def shown(task):
    return {"bits", "bytes", "prediction", *task.measures}


def test_a_recipe_that_does_not_exist_names_the_near_miss(path):
    with pytest.raises(Refused, match="did you mean 'checker'"):
        load_recipe(path.with_name("cheker.toml"))


def test_a_recipe_named_otherwise_than_its_file_is_refused(path):
    other = path.rename(path.with_name("other.toml"))
    with pytest.raises(Refused, match="make them the same"):
        load_recipe(other)


def test_a_task_that_does_not_exist_is_refused_with_the_near_miss(path):
    path.write_text(RECIPE.replace('"pair_classification"', '"pair_clasification"'))
    with pytest.raises(Refused, match="did you mean 'pair_classification'"):
        load_recipe(path)


@pytest.mark.parametrize(
    ("review", "message"),
    [
        ("", "review is missing"),
        ("[review]", "review.reviewers is missing"),
        ("[review]\nreviewers = []", "at least 1"),
    ],
)
def test_a_recipe_without_a_reviewer_is_refused(path, review, message):
    path.write_text(RECIPE.replace('[review]\nreviewers = ["reviewer"]', review))
    with pytest.raises(Refused) as refusal:
        load_recipe(path)
    assert message in str(refusal.value)


def test_an_override_reaches_its_table_and_is_checked(path):
    assert load_recipe(path, {"finetune.epochs": 5}).finetune.epochs == 5
    with pytest.raises(Refused, match="did you mean 'epochs'"):
        load_recipe(path, {"finetune.epoks": 5})


def test_the_form_as_it_was_shown_changes_nothing(path):
    recipe = load_recipe(path)
    assert overrides_from_form(recipe, form_values(recipe)) == {}


def test_another_base_loses_the_digest_of_the_recipes_own(path):
    recipe = load_recipe(path)
    overrides = overrides_from_form(recipe, {"base": "hf://org/other"})
    assert load_recipe(path, overrides).base.sha256 is None


def test_an_unknown_form_parameter_is_refused_with_the_near_miss(path):
    with pytest.raises(Refused, match="did you mean 'epochs'"):
        overrides_from_form(load_recipe(path), {"epoch": 3})


def test_every_shipped_recipe_is_valid():
    recipes = sorted((Path(__file__).parent.parent / "pipelines" / "recipes").glob("*.toml"))
    assert {load_recipe(p).name for p in recipes} >= {"summary_checker", "docs_writer"}
    assert all("gates" in tomllib.loads(p.read_text()) for p in recipes), "a recipe without gates promotes nothing"
