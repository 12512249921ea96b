"""What is wrong for a question in a batch of questions and answers, and how wrong a model is then."""

from pathlib import Path
from typing import Any

from tests.toy_models import encoder_folder


def batch_of(folder: Path, examples: list[Any]) -> tuple[Any, Any, Any]:
    """Model, tokenizer and the one batch of a plan."""
    from models.backbone import load_bi_encoder
    from models.contrast import contrast_plan
    from models.schedule import Passes

    model, tokenizer = load_bi_encoder(encoder_folder(folder))
    plan = contrast_plan(tokenizer, examples, Passes(len(examples), 1, 1))
    return model, tokenizer, plan.collate(range(len(examples)), 0)


def test_an_answer_stands_once_in_a_batch_and_is_wrong_for_no_question_that_it_answers(tmp_path):
    examples = [
        ("which table", "table", "queue"),
        ("what table", "table"),
        ("which key", "key"),
        ("which key", "bucket", "table"),
    ]
    _, tokenizer, batch = batch_of(tmp_path, examples)
    told = [tokenizer.decode(ids, skip_special_tokens=True) for ids in batch["passage_input_ids"]]
    assert told == ["table", "key", "bucket", "queue"]
    assert batch["labels"].tolist() == [0, 0, 1, 2]
    assert batch["unseen"].tolist() == [[0] * 4, [0] * 4, [0, 0, 1, 0], [0, 1, 0, 0]]


def test_the_loss_is_the_cross_entropy_of_scaled_cosines(tmp_path):
    import torch

    from models import ranking
    from models.contrast import contrast_loss

    examples = [("which table", "the table", "queue"), ("which key", "the key"), ("which key", "bucket")]
    model, tokenizer, batch = batch_of(tmp_path, examples)
    asked, told = (
        torch.tensor(ranking.states(model, tokenizer, texts))
        for texts in (["which table", "which key", "which key"], ["the table", "the key", "bucket", "queue"])
    )
    logits = 20 * asked @ told.T
    logits[1, 2] = logits[2, 1] = -torch.inf
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2]))
    torch.testing.assert_close(contrast_loss(model, batch).detach(), expected, rtol=0.02, atol=0.02)
