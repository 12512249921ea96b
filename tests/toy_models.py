"""Models small enough to be made in a test."""

import re
from collections import Counter
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


def masked_bert(texts: list[str]) -> tuple[Any, Any]:
    """A BERT with its language-model head, in eval mode, and a tokenizer of byte pairs."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    from models import scratch

    tokenizer = scratch.encoder_tokenizer(texts, 1024, 512)
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=160,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=512,
        pad_token_id=tokenizer.pad_token_id,
    )
    return BertForMaskedLM(config).eval(), tokenizer


def word_pieces(texts: list[str]) -> Any:
    """Up to 200 pieces: letters, then the commonest words.

    Not by the trainer of `tokenizers`: it breaks ties by chance, and a toy learned today what it did not tomorrow.
    """
    from transformers import BertTokenizer

    words = Counter(re.findall(r"\w+|[^\w\s]", " ".join(texts).lower()))
    letters = sorted(set("".join(words)))
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    pieces += [word for word, _ in words.most_common(max(0, 200 - len(pieces))) if word not in letters]
    return BertTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, model_max_length=128)


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


def opt(vocabulary: int) -> Any:
    """An OPT of two layers, with dropout: it sees what is packed beside a text."""
    import torch
    from transformers import OPTConfig, OPTForCausalLM

    torch.manual_seed(5)
    sizes = {"hidden_size": 32, "word_embed_proj_dim": 32, "ffn_dim": 64, "num_hidden_layers": 2}
    config = OPTConfig(vocab_size=vocabulary, max_position_embeddings=128, num_attention_heads=2, **sizes)
    return OPTForCausalLM(config).eval()


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


def marked_pieces(kind: str) -> Any:
    """A tokenizer whose tokens say where a word begins, as those of SentencePiece, or of GPT-2's bytes, do."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    kinds = {"sentence pieces": (pre_tokenizers.Metaspace(), decoders.Metaspace()),
             "bytes": (pre_tokenizers.ByteLevel(), decoders.ByteLevel())}  # fmt: skip
    pieces = Tokenizer(models.BPE())
    pieces.pre_tokenizer, pieces.decoder = kinds[kind]
    special = ["<pad>", "<mask>"]
    pieces.train_from_iterator(TEXTS, trainers.BpeTrainer(vocab_size=160, special_tokens=special, show_progress=False))
    return PreTrainedTokenizerFast(tokenizer_object=pieces, pad_token="<pad>", mask_token="<mask>")


class Liking:
    """A masked language model that finds some tokens likelier than all others, wherever they stand."""

    def __init__(self, vocabulary: int, liked: list[int]) -> None:
        self.vocabulary, self.liked = vocabulary, liked

    def __call__(self, input_ids: Any, **_: Any) -> Any:
        from types import SimpleNamespace

        import torch

        logits = torch.zeros(*input_ids.shape, self.vocabulary)
        logits[..., self.liked] = 50.0
        return SimpleNamespace(logits=logits)
