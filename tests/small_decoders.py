"""Decoders small enough for a test, as a hub may hold them, and Chinese texts that praise or blame."""

from pathlib import Path

from tests import toy_models

CHINESE = [
    f"{place}的{thing}。{verb}。"
    for verb in ("很好用", "很满意", "太差了", "坏掉了")
    for thing in ("手机", "电脑", "衣服", "酒店", "早餐", "快递")
    for place in ("北京", "上海", "这家", "新买")
]


def likes(text: str) -> str:
    return "positive" if text.endswith(("很好用。", "很满意。")) else "negative"


def decoder_folder(folder: Path, texts: list[str] = toy_models.TEXTS) -> Path:
    """A small language model as a hub may hold it: its tokenizer pads on the left, and cannot pad at all."""
    from models import backbone

    tokenizer = toy_models.decoder_tokenizer(texts)
    tokenizer.padding_side, tokenizer.pad_token = "left", None
    backbone.save(toy_models.decoder(len(tokenizer)), tokenizer, folder)
    return folder


def beginning(folder: Path) -> Path:
    """The same with a token before every text, as Llama has it."""
    from tokenizers import processors
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(decoder_folder(folder))
    special = [("<|end|>", tokenizer.eos_token_id)]
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<|end|> $A", pair="<|end|> $A <|end|> $B", special_tokens=special
    )
    tokenizer.save_pretrained(folder)
    return folder


def classifier(folder: Path, rows: list[tuple[str, ...]], labels: tuple[str, ...] = ("no", "yes")):
    from models import backbone

    return backbone.new_classifier(folder, labels, 1, 64, len(rows[0]))
