"""Packed texts do not see each other, and no token is lost or invented."""

import random

import pytest

LENGTHS = [3, 60, 17, 64, 33, 31, 2, 5, 40, 24]


def test_every_piece_is_in_exactly_one_block_and_no_block_overflows():
    from models.packing import best_fit

    lengths = [random.Random(1).randint(2, 64) for _ in range(500)]
    blocks = best_fit(lengths, 64)
    assert sorted(piece for block in blocks for piece in block) == list(range(500))
    assert all(sum(lengths[piece] for piece in block) <= 64 for block in blocks)


def test_blocks_are_nearly_full():
    from models.packing import best_fit

    generator = random.Random(2)
    lengths = [generator.randint(2, 64) for _ in range(2000)]
    assert sum(lengths) / (64 * len(best_fit(lengths, 64))) > 0.97


def test_a_packed_decoder_computes_the_loss_of_each_text_alone():
    import torch

    from models.objectives import causal_loss
    from models.packing import IGNORED, best_fit, packed
    from tests.toy_models import decoder

    model = decoder(vocabulary=100)
    generator = random.Random(3)
    texts = [[generator.randrange(1, 100) for _ in range(n)] for n in LENGTHS]
    blocks = best_fit(LENGTHS, 64)
    batch = packed([[texts[piece] for piece in block] for block in blocks], pad=0)
    together = causal_loss(model, batch) * (batch["labels"] != IGNORED).sum()
    alone = sum(causal_loss(model, packed([[text]], pad=0)) * (len(text) - 1) for text in texts)
    assert together.item() == pytest.approx(alone.item(), rel=1e-5)
    # An attention mask of ones, as a tokenizer gives it, makes transformers read the block as one text.
    logits = model(**{n: batch[n] for n in ("input_ids", "position_ids")}, use_cache=False).logits
    ones = torch.ones_like(batch["input_ids"])
    seen = model(**{n: batch[n] for n in ("input_ids", "position_ids")}, attention_mask=ones, use_cache=False).logits
    assert (logits - seen).abs().max() > 1e-3


@pytest.mark.parametrize(("kind", "packs"), [("decoder", True), ("opt", False)])
def test_a_plan_has_the_loss_of_each_text_alone_whether_its_model_keeps_packed_texts_apart_or_not(kind, packs):
    from models.objectives import causal_loss, causal_plan, causal_plan_unpacked
    from models.packing import IGNORED, keeps_apart, packed
    from tests import toy_models

    model = getattr(toy_models, kind)(vocabulary=100)
    assert keeps_apart(model) is packs
    generator = random.Random(3)
    texts = [[generator.randrange(4, 100) for _ in range(n)] for n in LENGTHS]

    def total(batches):
        return sum(causal_loss(model, b).item() * int((b["labels"][:, 1:] != IGNORED).sum()) for b in batches)

    alone = total(packed([[text]], pad=0) for text in texts)
    # What a model reads of texts that it does not keep apart is another loss: the plan must not pack them.
    packed_up, unpacked = causal_plan(texts, 64, 128, 0, 1), causal_plan_unpacked(texts, 128, 0, 1)
    assert total(unpacked) == pytest.approx(alone, rel=1e-5)
    assert (total(packed_up) == pytest.approx(alone, rel=1e-5)) is packs
    assert all(batch["input_ids"].numel() <= 128 for plan in (packed_up, unpacked) for batch in plan)


def test_trying_whether_a_model_keeps_texts_apart_draws_nothing_and_leaves_its_mode():
    import torch

    from models.packing import keeps_apart
    from tests.toy_models import opt

    model = opt(vocabulary=100).train()
    before = torch.get_rng_state()
    assert not keeps_apart(model)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(module.training for module in model.modules())


def test_nothing_to_learn_from_is_a_plan_without_batches():
    from models.objectives import causal_plan, causal_plan_unpacked

    assert len(causal_plan([], 64, 128, 0, 1)) == len(causal_plan_unpacked([], 128, 0, 1)) == 0


def test_batches_by_tokens_hold_every_text_once_within_the_budget():
    from models.packing import by_tokens

    lengths = [random.Random(4).randint(2, 64) for _ in range(300)]
    batches = by_tokens(lengths, 256, seed=1)
    assert sorted(n for batch in batches for n in batch) == list(range(300))
    assert all(len(batch) * max(lengths[n] for n in batch) <= 256 for batch in batches)
    assert batches == by_tokens(lengths, 256, seed=1)
    assert batches != by_tokens(lengths, 256, seed=2)


def test_long_documents_are_cut_and_nothing_is_lost():
    from models.packing import pieces

    document = list(range(150))
    assert [token for piece in pieces([document], 64) for token in piece] == document


def test_only_the_completion_is_learned():
    from models.objectives import Passes, completion_plan
    from models.packing import IGNORED
    from tests.toy_models import decoder_tokenizer

    tokenizer = decoder_tokenizer()
    batch = completion_plan(tokenizer, [("Deletes the", "table of the user.")], 64, Passes(1, 1, 1))[0]
    learned = batch["input_ids"][batch["labels"] != IGNORED].tolist()
    assert tokenizer.decode(learned) == " table of the user." + tokenizer.eos_token


def test_texts_are_drawn_in_random_order_until_they_hold_enough_tokens():
    from models.objectives import drawn, tokenise
    from tests.toy_models import TEXTS, decoder_tokenizer

    def found(tokens, seed):
        kept = []
        numbers = drawn(tokenizer, TEXTS, 64, tokens, seed, kept.append)
        assert set(numbers) == set(range(len(kept)))
        return [kept[number] for number in numbers]

    tokenizer = decoder_tokenizer()
    every = tokenise(tokenizer, TEXTS, 64)
    size = sum(map(len, every))
    half = found(size // 2, seed=1)
    assert size // 2 <= sum(map(len, half)) < size // 2 + 64
    assert half == found(size // 2, seed=1)
    assert half != found(size // 2, seed=2)
    assert sorted(found(2 * size, seed=1)) == sorted([*every, *every])
