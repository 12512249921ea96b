"""Models made here, where no pretrained one can be had: a configuration, random weights, a tokenizer of their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

TINY = {"vocab_size": 8192, "num_hidden_layers": 4, "max_position_embeddings": 512}
MICRO = {"vocab_size": 1024, "num_hidden_layers": 2, "max_position_embeddings": 512}
# Encoders are EuroBERTs and decoders Llamas, of the same layers, with the head tied to the embedding; encoder-decoders
# are T5s with gated layers. All know how far tokens are apart without having to learn it: a BERT, which has to learn
# places first, ended 200,000 tokens of Chinese with no more than how frequent each token is. A tiny one has 4 to 6 M
# parameters and learns in half an hour on two cores; a micro one has 0.2 M and shows in seconds that everything works.
SCRATCH: dict[str, dict[str, int]] = {
    "tiny-decoder": TINY | {"hidden_size": 224, "intermediate_size": 608, "num_attention_heads": 7},
    "micro-decoder": MICRO | {"hidden_size": 64, "intermediate_size": 160, "num_attention_heads": 2},
    "tiny-encoder": TINY | {"hidden_size": 256, "intermediate_size": 640, "num_attention_heads": 4},
    "micro-encoder": MICRO | {"hidden_size": 64, "intermediate_size": 160, "num_attention_heads": 2},
    "tiny-encoder-decoder": {
        "vocab_size": 8192,
        "d_model": 192,
        "d_ff": 512,
        "d_kv": 32,
        "num_heads": 6,
        "num_layers": 4,
    },
    "micro-encoder-decoder": {
        "vocab_size": 1024,
        "d_model": 64,
        "d_ff": 160,
        "d_kv": 32,
        "num_heads": 2,
        "num_layers": 2,
    },
}
KINDS = {"masked": "encoder", "causal": "decoder", "denoising": "encoder-decoder"}
ROOM = 512  # tokens that an encoder-decoder reads at once, which has no last place of its own
SENTINELS = 32
END = "<|end|>"
# What its configuration calls a token, and what the tokenizer calls it.
FRAMED = {"pad": "pad", "mask": "mask", "bos": "cls", "eos": "sep"}
# What spells a special token in a text is letters.
LETTERS = {"split_special_tokens": True}
FRAME = {"pad_token": "<pad>", "cls_token": "<s>", "sep_token": "</s>", "mask_token": "<mask>"}


def names(objective: str) -> list[str]:
    """The configurations that a pretraining objective can train."""
    return [name for name in SCRATCH if name.partition("-")[2] == KINDS[objective]]


def scratch(name: str, texts: Iterable[str], seed: int) -> tuple[Any, Any]:
    """A new model of a configuration of SCRATCH and its tokenizer, trained on `texts`; both as loaded, in eval mode."""
    kinds = {"encoder": _encoder, "decoder": _decoder, "encoder-decoder": _encoder_decoder}
    return kinds[name.partition("-")[2]](SCRATCH[name], texts, seed)


def _decoder(sizes: dict[str, int], texts: Iterable[str], seed: int) -> tuple[Any, Any]:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = decoder_tokenizer(texts, sizes["vocab_size"])
    end = tokenizer.eos_token_id
    sizes = {**sizes, "vocab_size": len(tokenizer)}
    config = LlamaConfig(**sizes, tie_word_embeddings=True, bos_token_id=end, eos_token_id=end, pad_token_id=end)
    torch.manual_seed(seed)
    return LlamaForCausalLM(config).eval(), tokenizer


def _encoder(sizes: dict[str, int], texts: Iterable[str], seed: int) -> tuple[Any, Any]:
    import torch
    from transformers import EuroBertConfig, EuroBertForMaskedLM

    tokenizer = encoder_tokenizer(texts, sizes["vocab_size"], sizes["max_position_embeddings"])
    frame = {f"{name}_token_id": getattr(tokenizer, f"{of}_token_id") for name, of in FRAMED.items()}
    config = EuroBertConfig(**{**sizes, "vocab_size": len(tokenizer)}, **frame, tie_word_embeddings=True)
    torch.manual_seed(seed)
    return EuroBertForMaskedLM(config).eval(), tokenizer


def _encoder_decoder(sizes: dict[str, int], texts: Iterable[str], seed: int) -> tuple[Any, Any]:
    import torch
    from transformers import T5Config, T5ForConditionalGeneration

    tokenizer = encoder_decoder_tokenizer(texts, sizes["vocab_size"])
    pad = tokenizer.pad_token_id
    config = T5Config(
        **{**sizes, "vocab_size": len(tokenizer)},
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        pad_token_id=pad,
        eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=pad,
    )
    torch.manual_seed(seed)
    return T5ForConditionalGeneration(config).eval(), tokenizer


def train_byte_pairs(texts: Iterable[str], vocabulary: int, special: Sequence[str]) -> Any:
    """A byte-level BPE: it can write any text, and no text is unknown to it.

    The same texts make the same one. WordPiece, tried for encoders, numbers its pieces otherwise in every process.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator(texts, trainer)
    return bpe


def decoder_tokenizer(texts: Iterable[str], vocabulary: int) -> Any:
    """A tokenizer whose texts end with END."""
    from transformers import PreTrainedTokenizerFast

    pieces = train_byte_pairs(texts, vocabulary, [END])
    return PreTrainedTokenizerFast(tokenizer_object=pieces, bos_token=END, eos_token=END, pad_token=END, **LETTERS)


def encoder_decoder_tokenizer(texts: Iterable[str], vocabulary: int) -> Any:
    """A tokenizer whose texts end as T5's do, with the sentinels that stand for hidden spans."""
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    pad, end, sentinels = "<pad>", "</s>", [f"<extra_id_{n}>" for n in range(SENTINELS)]
    pieces = train_byte_pairs(texts, vocabulary, [pad, end, *sentinels])
    pieces.post_processor = TemplateProcessing(single=f"$A {end}", special_tokens=[(end, pieces.token_to_id(end))])
    return PreTrainedTokenizerFast(
        tokenizer_object=pieces,
        model_max_length=ROOM,
        pad_token=pad,
        eos_token=end,
        extra_special_tokens=sentinels,
        **LETTERS,
    )


def encoder_tokenizer(texts: Iterable[str], vocabulary: int, room: int) -> Any:
    """A tokenizer that frames a text, or two, as RoBERTa's does."""
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    pieces = train_byte_pairs(texts, vocabulary, list(FRAME.values()))
    start, end = FRAME["cls_token"], FRAME["sep_token"]
    pieces.post_processor = TemplateProcessing(
        single=f"{start} $A {end}",
        pair=f"{start} $A {end} $B {end}",
        special_tokens=[(token, pieces.token_to_id(token)) for token in (start, end)],
    )
    return PreTrainedTokenizerFast(tokenizer_object=pieces, model_max_length=room, **FRAME, **LETTERS)
