"""A model whose encoder reads and whose decoder writes: denoised, fine-tuned, judged and served as others are."""

from pathlib import Path

import numpy as np
import pytest

from models.tasks import TASKS
from pipelines.artifact import read_json
from pipelines.errors import Refused
from pipelines.recipe_file import load_recipe
from pipelines.settings import ROOT
from pipelines.steps import make
from tests.evidence import artifact
from tests.small_evaluation import base_of, dataset, frozen, model_files, rows_of
from tests.small_evaluation import settings as settings  # noqa: PLC0414 - the fixture
from tests.toy_models import TEXTS, encoder_folder, masked_bert, written_by

WRITER = ROOT / "pipelines" / "recipes" / "docs_writer.toml"
READING = {"pretrain.objective": "denoising", "base.model": {"scratch": "tiny-encoder-decoder"}}


def test_a_recipe_may_take_one_for_every_task_that_writes():
    assert load_recipe(WRITER, READING).pretrain.objective == "denoising"
    with pytest.raises(Refused, match=r"takes another; did you mean 'tiny-encoder-decoder'"):
        load_recipe(WRITER, READING | {"base.model": {"scratch": "tiny-encoder"}})
    with pytest.raises(Refused, match=r"is 'denoising'; the task pair_classification needs 'masked'"):
        load_recipe(WRITER.with_name("summary_checker.toml"), {"pretrain.objective": "denoising"})


@pytest.mark.parametrize(
    ("key", "value"), [("layer_decay", 0.9), ("frozen_layers", 1), ("neftune", 5.0), ("fgm", 0.5), ("method", "prefix")]
)
def test_what_counts_the_layers_of_one_stack_is_refused(key, value):
    with pytest.raises(Refused, match=f"finetune.{key} is {value!r}, which is not for an encoder-decoder; leave it"):
        load_recipe(WRITER, READING | {f"finetune.{key}": value})


@pytest.mark.slow
@pytest.mark.parametrize("has_head", [False, True])
def test_an_encoder_is_the_beginning_of_both_halves(has_head, tmp_path):
    import torch

    from models import backbone, encoder_decoder, train, writers
    from models.checkpoint import Checkpoints
    from models.generate import completion_bits, generate
    from models.schedule import Pace, Passes

    torch.set_num_threads(1)
    folder = encoder_folder(tmp_path / "encoder")
    if has_head:
        backbone.save(*masked_bert(TEXTS), folder)
    model, tokenizer = writers.warm_started(folder, 1)
    words = [half.get_input_embeddings().weight for half in (model.encoder, model.decoder)]
    assert torch.equal(*words)
    pairs = [(text, text.split()[0]) for text in TEXTS[:64]]
    before = sum(completion_bits(model, tokenizer, *zip(*pairs[:8], strict=True)))
    plan = encoder_decoder.pair_plan(tokenizer, pairs, 32, Passes(16, 3, 1))
    train.train(model, plan, Pace(3e-3), Checkpoints(tmp_path / "checkpoints"))
    backbone.save(model, tokenizer, tmp_path / "model")
    again, _ = writers.load_writer(tmp_path / "model")
    prompts = [TEXTS[0], TEXTS[1] * 4]
    found = [[*completion_bits(m, tokenizer, *zip(*pairs[:8], strict=True)), *map(len, generate(m, tokenizer, prompts))]
             for m in (model, again)]  # fmt: skip
    assert found[0] == pytest.approx(found[1], rel=1e-3)
    assert sum(found[0][:8]) < before


def test_an_encoder_that_cannot_decode_is_no_warm_start(tmp_path):
    from models import backbone, writers
    from models.scratch import scratch

    backbone.save(*scratch("micro-encoder", TEXTS, 1), tmp_path)
    with pytest.raises(ValueError, match="a eurobert does not become a decoder; take a BERT or a RoBERTa"):
        writers.warm_started(tmp_path, 1)


def test_a_warm_start_is_refused_where_it_does_nothing(tmp_path):
    for changes in ({"base.warm_start": True}, READING | {"base.warm_start": True}):
        with pytest.raises(
            Refused, match=r"base.warm_start makes an encoder-decoder, objective 'denoising', of a found"
        ):
            load_recipe(WRITER, changes)
    assert load_recipe(WRITER, READING | {"base.model": "hf://org/encoder", "base.warm_start": True}).base.warm_start


@pytest.mark.slow
@pytest.mark.parametrize("length", [1, 2, 3, 9, 128])
def test_hidden_spans_are_a_share_of_the_text_and_never_touch(length):
    from models.denoising import hidden_spans

    for seed in range(50):
        spans = hidden_spans(length, 0.15, 32, np.random.default_rng(seed))
        assert sum(last - first for first, last in spans) == min(max(1, length - 1), max(1, round(0.15 * length)))
        ends = [0, *(last for _, last in spans[:-1])]
        assert length == 1 or all(first > before for (first, _), before in zip(spans, ends, strict=True))
        assert spans[-1][1] <= length
        assert spans == hidden_spans(length, 0.15, 32, np.random.default_rng(seed))


def test_a_text_without_tokens_hides_nothing():
    from models.denoising import hidden_spans

    assert hidden_spans(0, 0.15, 32, np.random.default_rng(1)) == []


@pytest.mark.slow
@pytest.mark.parametrize("family", ["t5", "bart"])
def test_what_is_hidden_is_not_read_and_all_of_it_is_to_be_written(family):
    from models.denoising import Blanks, corrupted

    _, tokenizer = written_by(family)
    blanks = Blanks.of(tokenizer)
    tokens = list(range(200, 260))
    (source, target), counted, spans = corrupted(tokens, blanks, 0.3, np.random.default_rng(1))
    hidden = [tokens[place] for first, last in spans for place in range(first, last)]
    assert not set(source) & set(hidden)
    assert [token for token, counts in zip(target, counted, strict=True) if counts] == hidden
    plain = [token for token in source if token not in blanks.special]
    assert sorted(plain + hidden) == tokens
    if family == "bart":
        assert [token for token in target if token not in blanks.special] == tokens


@pytest.mark.slow
@pytest.mark.parametrize("family", ["t5", "bart"])
def test_an_answer_depends_neither_on_what_stands_beside_it_nor_on_what_is_written_later(family):
    import torch

    from models.encoder_decoder import batch_of, written_answers
    from models.generate import completion_bits, generate

    model, tokenizer = written_by(family)
    prompts, answers = ["Deletes the key.", "Lists the alias of the cluster. " * 6], ["Deletes", "all of the clusters"]
    together = completion_bits(model, tokenizer, prompts, answers)
    alone = [completion_bits(model, tokenizer, [p], [a])[0] for p, a in zip(prompts, answers, strict=True)]
    assert together == pytest.approx(alone, rel=0.02)  # in bf16 where that is faster
    assert generate(model, tokenizer, prompts, max_new_tokens=4) == [
        generate(model, tokenizer, [prompt], max_new_tokens=4)[0] for prompt in prompts
    ]
    source, target = [20, 21, 22], [30, 31, 32, 33]
    logits = [
        written_answers(model, batch_of([(source, [*target[:2], last, 33])], tokenizer.pad_token_id))[0]
        for last in (32, 40)
    ]
    torch.testing.assert_close(logits[0][:3], logits[1][:3])
    assert not torch.allclose(logits[0][3], logits[1][3])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["full", "lora", "ia3"])
def test_each_method_learns_and_what_is_saved_answers_as_what_was_trained(method, tmp_path: Path):
    import torch

    from models import backbone, encoder_decoder, train, writers
    from models.checkpoint import Checkpoints
    from models.generate import completion_bits
    from models.methods import METHODS, count, merged
    from models.schedule import Pace, Passes

    torch.set_num_threads(1)
    model, tokenizer = written_by("t5")
    pairs = [(text, text.split()[0]) for text in TEXTS[:64]]
    plan = encoder_decoder.pair_plan(tokenizer, pairs, 32, Passes(16, 2, 1))
    before = sum(completion_bits(model, tokenizer, *zip(*pairs[:8], strict=True)))
    learned = METHODS[method](model, 8, len(plan))
    assert (count(learned)[0] == count(learned)[1]) is (method == "full")
    train.train(learned, plan, Pace(1e-2), Checkpoints(tmp_path / "checkpoints"))
    last = merged(learned)
    backbone.save(last, tokenizer, tmp_path / "model")
    again, _ = writers.load_writer(tmp_path / "model")
    found = [completion_bits(m, tokenizer, *zip(*pairs[:8], strict=True)) for m in (last, again)]
    assert found[0] == pytest.approx(found[1], rel=1e-3)
    assert sum(found[0]) < before


@pytest.mark.slow
@pytest.mark.parametrize("family", ["t5", "bart"])
def test_from_rows_to_a_report_whose_examples_the_model_answers_when_served(family, settings, tmp_path):
    from models import backbone
    from models.serving import load

    task = TASKS["summarisation"]
    backbone.save(*written_by(family), tmp_path / "model")
    files = model_files(tmp_path / "model", 3.0, 3.0)
    run = frozen(
        settings,
        task=task.name,
        pretrain={"objective": "denoising", "tokens": 1000},
        base={"model": {"scratch": "micro-encoder-decoder"}},
        gates=[{"metric": task.primary, "above": "baseline"}],
    )
    made = {"dataset": artifact(settings, run, "dataset", {}, dataset(rows_of(task)))}
    made["base"] = base_of(settings, run, made["dataset"], files)
    made["adapted"] = artifact(settings, run, "pretrain", made, files)
    inputs = {"dataset": made["dataset"], "model": made["adapted"]}
    made["tuned"] = artifact(settings, run, "finetune", inputs, files)
    report = read_json(Path(make("evaluate", run, made)) / "report.json")
    assert {"bits_per_byte", "rouge_l"} <= set(report["metrics"])
    assert report["bits_per_byte"]["finetuned"]["domain"] > 0
    shown = report["examples"][0]
    answer = load(tmp_path / "model", task.name)([{name: shown[name] for name in task.columns if name in shown}])[0]
    assert answer["prediction"] == shown["prediction"]
