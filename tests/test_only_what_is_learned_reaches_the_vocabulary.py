"""Of a prompt and its completion, only the completion goes through the vocabulary: half of a small decoder's work."""

import pytest


def test_the_output_layer_reads_one_state_for_each_token_to_learn():
    import torch

    from models.losses import Loss
    from models.objectives import causal_answers
    from models.packing import IGNORED
    from tests.toy_models import decoder

    model = decoder(vocabulary=100)
    batch = prompts_and_completions()
    wanted = int((batch["labels"][:, 1:] != IGNORED).sum())
    read = []
    counting = model.get_output_embeddings().register_forward_hook(lambda _, given, __: read.append(given[0].shape))
    loss = Loss(causal_answers)(model, batch)
    counting.remove()
    assert read == [(wanted, model.config.hidden_size)]
    assert loss.item() == pytest.approx(model(**batch).loss.item(), rel=1e-5), "as transformers computes it"
    whole = model(batch["input_ids"]).logits
    assert whole.shape == torch.Size((*batch["input_ids"].shape, 100)), "afterwards it reads all again"


def test_what_a_model_does_to_its_logits_is_still_done():
    import torch
    from transformers import Gemma2Config, Gemma2ForCausalLM

    from models.objectives import causal_answers

    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(1)
    config = Gemma2Config(vocab_size=100, head_dim=16, num_key_value_heads=2, final_logit_softcapping=0.01, **sizes)
    logits, _ = causal_answers(Gemma2ForCausalLM(config).eval(), prompts_and_completions())
    assert logits.abs().max() <= 0.01


def prompts_and_completions():
    import torch

    torch.manual_seed(2)
    ids = torch.randint(1, 100, (4, 12))
    labels = ids.clone()
    labels[:, :7] = -100
    labels[0, 9:] = -100
    return {"input_ids": ids, "labels": labels, "attention_mask": torch.ones_like(ids)}
