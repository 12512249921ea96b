"""Models small enough to be made in a test."""

from pathlib import Path
from typing import Any

TEXTS = [
    f"{verb} the {thing} of the {place}."
    for verb in ("Deletes", "Creates", "Lists", "Describes", "Updates")
    for thing in ("table", "bucket", "queue", "key", "role", "alias")
    for place in ("account", "region", "user", "cluster")
]


def encoder_folder(folder: Path, texts: list[str] = TEXTS) -> Path:
    """A sentence encoder without a language-model head: two layers, dropout on, a WordPiece tokenizer of its own."""
    import torch
    from transformers import BertConfig, BertModel

    tokenizer = word_pieces(texts)
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def word_pieces(texts: list[str]) -> Any:
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizer

    trained = BertWordPieceTokenizer()
    trained.train_from_iterator(texts, vocab_size=200, show_progress=False)
    return BertTokenizer(vocab=trained.get_vocab(), model_max_length=128)


def decoder_tokenizer(texts: list[str] = TEXTS) -> Any:
    from models import scratch

    return scratch.decoder_tokenizer(texts * 3, 400)


def decoder(vocabulary: int) -> Any:
    """A Llama of two layers, without dropout."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(5)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    return LlamaForCausalLM(LlamaConfig(vocab_size=vocabulary, max_position_embeddings=128, **sizes)).eval()


def written_by(family: str) -> tuple[Any, Any]:
    """An encoder-decoder without dropout, of the kind of T5 or of BART, and its tokenizer."""
    import torch
    from transformers import BartConfig, BartForConditionalGeneration

    from models import scratch

    if family == "t5":
        return scratch.scratch("micro-encoder-decoder", TEXTS, 7)
    tokenizer = scratch.encoder_tokenizer(TEXTS, 1024, 128)
    tokenizer.bos_token, tokenizer.eos_token = tokenizer.cls_token, tokenizer.sep_token
    sizes = {"layers": 2, "ffn_dim": 64, "attention_heads": 2}
    sides = {f"{side}_{name}": n for side in ("encoder", "decoder") for name, n in sizes.items()}
    torch.manual_seed(5)
    config = BartConfig(
        vocab_size=len(tokenizer), d_model=32, max_position_embeddings=128, dropout=0.0, **sides,
        pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=tokenizer.eos_token_id, forced_eos_token_id=None,
    )  # fmt: skip
    return BartForConditionalGeneration(config).eval(), tokenizer
