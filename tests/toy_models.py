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
