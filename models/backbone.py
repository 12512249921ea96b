"""Models and tokenizers, to and from folders: fp32 weights in safetensors, every weight accounted for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch  # noqa: TID253 - this module is itself imported lazily

from models.tokenizer import load_tokenizer, save_tokenizer

Pair = tuple[Any, Any]
RELATIVE = 4096


def load_masked(folder: Path) -> Pair:
    """A masked language model and its tokenizer, in eval mode. Raises ValueError when a weight is missing."""
    from transformers import AutoModelForMaskedLM

    return load_whole(AutoModelForMaskedLM, folder), load_tokenizer(folder)


def load_causal(folder: Path) -> Pair:
    """A decoder and its tokenizer, in eval mode. Raises ValueError when a weight is missing, or an end token."""
    from transformers import AutoModelForCausalLM

    if (tokenizer := load_tokenizer(folder)).eos_token is None:
        such = f', such as "{tokenizer.sep_token}"' if tokenizer.sep_token else ""
        cure = f"name the one that it learned as eos_token in tokenizer_config.json{such}"
        raise ValueError(f"{folder}: its tokenizer names no token for the end of a text; {cure}")
    return load_whole(AutoModelForCausalLM, folder), tokenizer


def load_classifier(folder: Path) -> Pair:
    """A fine-tuned classifier and its tokenizer, in eval mode. Raises ValueError when a weight is missing."""
    from transformers import AutoModelForSequenceClassification

    return load_whole(own_classifier(folder) or AutoModelForSequenceClassification, folder), load_tokenizer(folder)


def own_classifier(folder: Path) -> Any:
    """The kind of classifier of this project that a folder holds, or None."""
    from models.pair_head import PairClassifier
    from models.text_head import TextClassifier
    from models.verbaliser import VERBALISER

    if words := getattr(config := config_of(folder), VERBALISER, None):
        return _prompted(config, words["objective"])
    ours = {kind.__name__: kind for kind in (PairClassifier, TextClassifier)}
    return ours.get((config.architectures or [""])[0])


def _prompted(config: Any, objective: str) -> Any:
    """The class of a classifier that asks a language model of that objective."""
    from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

    from models.prompt_head import prompted

    return prompted(AutoModelForMaskedLM if objective == "masked" else AutoModelForCausalLM, config, objective)


def load_encoder(folder: Path) -> Pair:
    """The encoder or decoder of a model without any head, and its tokenizer, in eval mode."""
    from transformers import AutoModel

    # A pooler is a head too: masked language models have none, and none of ours is used.
    return load_whole(AutoModel, folder, may_lack=("pooler.",)), load_tokenizer(folder)


def load_bi_encoder(folder: Path, max_length: int | None = None) -> Pair:
    """An encoder whose mean states are compared, and its tokenizer, which cuts at what the encoder can read or less."""
    from models.pair_head import without_pooler

    encoder, tokenizer = load_encoder(folder)
    tokenizer.model_max_length = max_length or min(tokenizer.model_max_length, room(encoder))
    return without_pooler(encoder), tokenizer


def require_no_template(folder: Path) -> None:
    """Raise ValueError for a model that answers a prompt: its tokenizer would lay the template around any text."""
    from models.verbaliser import VERBALISER

    if hasattr(config_of(folder), VERBALISER):
        raise ValueError("it was trained with finetune.prompt, and reads every text in its template; take its own base")


# Where transformers' encoders keep their masked language-model head.
HEADS = ("cls.", "lm_head.")


def masked_from_encoder(folder: Path, seed: int) -> tuple[Any, Any, bool]:
    """A masked language model, its tokenizer, and whether its head is new because the folder has none.

    A new head's output layer is tied to the word embeddings. Raises ValueError for a kind of encoder whose head has an
    unknown place, which could not be fitted alone.
    """
    from transformers import AutoModelForMaskedLM

    from models.new_head import under_a_new_head

    torch.manual_seed(seed)
    if own_classifier(folder):
        return under_a_new_head(folder, AutoModelForMaskedLM), load_tokenizer(folder), True
    model, info = _from_pretrained(AutoModelForMaskedLM, folder)
    missing = sorted(info["missing_keys"])
    if others := [name for name in missing if not name.startswith(HEADS)]:
        raise ValueError(f"{folder} lacks {others[0]}; only the head of a BERT or RoBERTa encoder can be made anew")
    return model, load_tokenizer(folder), bool(missing)


def room(model: Any) -> int:
    """How many tokens a model can read at once, beside the virtual ones that it may have."""
    from models.virtual_tokens import length

    for name, module in model.named_modules():
        if name.endswith("position_embeddings"):
            # RoBERTa counts positions from the one after that of padding.
            first = 0 if module.padding_idx is None else module.padding_idx + 1
            return int(module.num_embeddings) - first - length(model.config)
    # T5 and BLOOM count how far tokens are apart, and have no last place.
    config = model.config.get_text_config()
    if hasattr(config, "relative_attention_num_buckets") or not hasattr(config, "max_position_embeddings"):
        return int(getattr(config, "max_seq_len", RELATIVE))  # MPT, which counts so up to there
    return int(config.max_position_embeddings) - length(model.config)


def masked_states_and_head(
    model: Any, ids: torch.Tensor, mask: torch.Tensor, forward: Callable[..., Any] | None = None
) -> tuple[torch.Tensor, Any]:
    """The encoder's states, shape (texts, length, width), and the head that turns any of them into logits.

    `forward` gives logits where the model's own gives something else, for kinds whose head has an unknown place.
    """
    found = [getattr(model, name[:-1]) for name in HEADS if hasattr(model, name[:-1])]
    if not found:
        return (forward or model)(input_ids=ids, attention_mask=mask).logits, torch.nn.Identity()
    return model.base_model(input_ids=ids, attention_mask=mask).last_hidden_state, found[0]


def save(model: Any, tokenizer: Any, folder: Path) -> None:
    """Write config.json, model.safetensors (fp32) and the tokenizer's files."""
    _quiet()
    _draw_nothing(model)
    model.to(torch.float32).save_pretrained(folder)
    save_tokenizer(tokenizer, folder)


def _draw_nothing(model: Any) -> None:
    """Take away how a model draws tokens where it takes the likeliest: transformers saves no such contradiction."""
    how = getattr(model, "generation_config", None)
    if how is not None and not how.do_sample:
        for name in ("temperature", "top_k", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff"):
            setattr(how, name, None)


def new_classifier(folder: Path, labels: Sequence[str], seed: int, max_length: int, texts: int) -> Pair:
    """A classifier of one text, or two, over the model of a folder without its head; the new one is for the `labels`.

    The mean of an encoder's states stands for a text, of a decoder's the last. Raises ValueError for a tokenizer that
    cannot part two texts, or end one.
    """
    from models.ended import ended
    from models.pair_head import PairClassifier
    from models.text_head import TextClassifier
    from models.text_state import looks_back, tell_last
    from models.verbaliser import frame

    encoder, tokenizer = load_encoder(folder)
    if looks_back(encoder):
        tokenizer = ended(tokenizer, max_length)
        tell_last(encoder.config, len(frame(tokenizer)[0]))
    if texts == 2 and tokenizer.sep_token_id is None:
        raise ValueError(f"{folder}: pairs of texts need an encoder whose tokenizer has a separator token")
    tokenizer.model_max_length = max_length
    encoder.config.sep_token_id = tokenizer.sep_token_id
    _name_labels(encoder.config, labels)
    torch.manual_seed(seed)
    return (PairClassifier if texts == 2 else TextClassifier).over(encoder), tokenizer


def prompted_classifier(
    folder: Path, objective: str, prompt: tuple[str, Mapping[str, str]], texts: Sequence[str], max_length: int
) -> Pair:
    """A classifier that asks the language model of a folder for the word of each label, and its tokenizer.

    `prompt` is a template with the word of each label; `texts` are the names that the texts have in the template.
    Raises ValueError for words that the tokenizer cannot write or tell apart, and when no room is left for a text.
    """
    from models.verbaliser import VERBALISER, asking, spoken

    template, words = prompt
    tokenizer = load_tokenizer(folder)
    tokens = spoken(tokenizer, template, words)
    masks = max(map(len, tokens)) if objective == "masked" else 0
    model = load_whole(_prompted(config_of(folder), objective), folder)
    _name_labels(model.config, words)
    setattr(model.config, VERBALISER, {"objective": objective, "words": tokens})
    return model, asking(tokenizer, template, texts, masks, max_length)


def _name_labels(config: Any, labels: Iterable[str]) -> None:
    config.id2label = dict(enumerate(sorted(labels)))
    config.label2id = {label: number for number, label in config.id2label.items()}
    config.problem_type = None  # a base may have been a classifier of another kind


def load_whole(kind: Any, folder: Path, may_lack: tuple[str, ...] = ()) -> Any:
    """A model all of whose weights are in the folder: transformers would fill a missing one with noise, and warn."""
    model, info = _from_pretrained(kind, folder)
    missing = [name for name in info["missing_keys"] if not name.startswith(may_lack)]
    if missing:
        raise ValueError(f"{folder} is no whole {kind.__name__}: its model.safetensors lacks {missing[0]}")
    return model


def _from_pretrained(kind: Any, folder: Path) -> tuple[Any, Any]:
    """In eval mode and fp32: a checkpoint's own bf16 would make small steps of AdamW vanish."""
    from models.inserted import with_insertions

    _quiet()
    config = config_of(folder)
    model, info = with_insertions(kind, config).from_pretrained(
        folder,
        config=config,
        dtype=torch.float32,
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
        output_loading_info=True,
    )
    if info["mismatched_keys"]:
        raise ValueError(f"{folder}: {next(iter(info['mismatched_keys']))} has another shape than config.json says")
    return model.eval(), info


def config_of(folder: Path) -> Any:
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def _quiet() -> None:
    """No progress bars and load reports: what they would say is checked here, or is an error."""
    from transformers import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
