"""The real sets that tests/benchmarks/tasks.py trains and judges every task on, and the backbones it makes for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from models.tasks import TASKS

# Backbones: what `[base]` says, and the corpora they learn language from. One is made once and serves all its sets.
ENGLISH = ("corpus_en_finance_reuters",)
CHINESE = ("corpus_zh_law", "corpus_zh_ecommerce_reviews")
SCRATCH = {"tokens": 400_000, "learning_rate": 2e-3}
MINILM = {
    "model": "hf://sentence-transformers/all-MiniLM-L6-v2",
    "sha256": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "tokens": 2_000,  # for the language-model head that no task below uses
}
BACKBONES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "MiniLM": (MINILM, ENGLISH),
    "en decoder": ({"model": {"scratch": "tiny-decoder"}, **SCRATCH}, ENGLISH),
    "zh encoder": ({"model": {"scratch": "tiny-encoder"}, **SCRATCH}, CHINESE),
    "zh decoder": ({"model": {"scratch": "tiny-decoder"}, **SCRATCH}, CHINESE),
    "zh encoder-decoder": ({"model": {"scratch": "tiny-encoder-decoder"}, **SCRATCH}, CHINESE),
}


@dataclass(frozen=True)
class Set:
    """One row of the table: a set, the backbone that learns it, and what `[finetune]` says."""

    file: str
    task: str
    backbone: str
    finetune: dict[str, Any] = field(default_factory=dict)
    most: int = 1_500  # training rows: the first in the order of the split; so few that all sets take less than an hour
    test: int = 300
    few: int = 0  # so many training and validation rows of each label; 0: as many as there are
    looked_up: bool = False  # dialogs with the context that BM25 finds among the replies of the training rows
    derived: bool = False  # rows of another task, made of the set's own: tests/benchmarks/task_rows.py

    @property
    def method(self) -> str:
        """The method of a row that is compared with others of the same set, else nothing."""
        asked = self.finetune.get("method", "")
        few = next((way for way in ("contrastive", "prompt") if way in self.finetune), asked)
        return f"{few}, {self.few} labels each" if self.few else asked

    @property
    def objective(self) -> str:
        """What the backbone learned language by."""
        return "denoising" if self.backbone.endswith("encoder-decoder") else TASKS[self.task].objective

    @property
    def name(self) -> str:
        found = "context" if self.looked_up else ""
        reads = "encoder-decoder" if self.objective == "denoising" else ""  # the same set has a row of a decoder
        more = (self.method.replace(", ", "-").replace(" ", "-"), self.task if self.derived else "", found, reads)
        return self.file + "".join(f"__{value}" for value in more if value)


def _rate(rate: float, epochs: int, length: int = 128, **more: Any) -> dict[str, Any]:
    return {"learning_rate": rate, "epochs": epochs, "max_length": length, "batch_size": 32, **more}


def _compared(file: str, backbone: str, most: int, method: str, rate: float) -> Set:
    return Set(file, "classification", backbone, {"method": method, "learning_rate": rate, **FEW}, most=most)


WRITING = _rate(1e-3, 3, 192)
SETS = (
    Set("cls_en_finphrasebank", "classification", "MiniLM", _rate(3e-4, 2, 96), most=3_868, test=484),
    Set("cls_en_banking77_intent", "classification", "MiniLM", _rate(1e-3, 8, 32), test=1_309),
    Set("tox_en_davidson", "classification", "MiniLM", _rate(3e-4, 2, 48), test=500),
    Set("cls_zh_hotel_sentiment", "classification", "zh encoder", _rate(5e-4, 3, 96)),
    Set("cls_zh_tnews_topic", "classification", "zh encoder", _rate(5e-4, 5, 48), most=3_432),
    Set("tox_zh_cold", "classification", "zh encoder", _rate(5e-4, 4, 64)),
    Set("gen_zh_ad_copy", "multi_label", "zh encoder", _rate(5e-4, 6), derived=True),
    Set("faq_en_medquad", "pair_classification", "MiniLM", _rate(3e-4, 3, 64), most=2_000, test=400, derived=True),
    Set("pair_zh_simclue", "pair_classification", "zh encoder", _rate(5e-4, 4, 64)),
    Set("pair_zh_ocnli", "pair_classification", "zh encoder", _rate(5e-4, 4, 64)),
    Set("sum_en_reuters_headline", "summarisation", "en decoder", WRITING, most=1_000, test=100),
    Set("sum_zh_csl_title", "summarisation", "zh decoder", WRITING, test=100),
    Set("sum_zh_finance_headline", "summarisation", "zh decoder", WRITING, test=124),
    Set("mt_en_zh_tatoeba", "translation", "zh decoder", _rate(1e-3, 3, 64), most=2_500, test=200),
    Set("mt_wmt22_enzh_zhen", "translation", "zh decoder", _rate(1e-3, 3, 128), most=1_000, test=100),
    Set("gen_en_news_from_headline", "generation", "en decoder", WRITING, most=1_000, test=60),
    Set("gen_zh_ad_copy", "generation", "zh decoder", WRITING),
    Set("gen_zh_tang_poems", "generation", "zh decoder", _rate(1e-3, 3, 128), most=1_000, test=100),
    Set("rewrite_en_gec_jfleg", "rewriting", "en decoder", WRITING),
    Set("rewrite_en_simplify_asset", "rewriting", "en decoder", WRITING, most=1_000, test=100),
    Set("rewrite_zh_gec_mucgec", "rewriting", "zh decoder", WRITING),
    Set("rewrite_zh_paraphrase_simclue", "rewriting", "zh decoder", _rate(1e-3, 3, 64), test=100),
    Set("faq_en_medquad", "retrieval", "MiniLM", _rate(1e-4, 1, 128, frozen_layers=0), most=2_000),
    Set("faq_zh_simclue_match", "retrieval", "zh encoder", _rate(5e-4, 3, 48)),
    Set("dialog_zh_crosswoz", "dialog", "zh decoder", WRITING),
    Set("dialog_zh_en_chatterbot", "dialog", "zh decoder", WRITING),
    Set("dialog_zh_en_chatterbot", "dialog", "zh decoder", WRITING, looked_up=True),
    Set("dialog_en_dialogsum", "dialog", "en decoder", WRITING),
    Set("sum_zh_csl_title", "summarisation", "zh encoder-decoder", WRITING, test=100),
    Set("mt_en_zh_tatoeba", "translation", "zh encoder-decoder", _rate(1e-3, 3, 64), most=2_500, test=200),
    Set("rec_movielens_small", "recommendation", "MiniLM", _rate(2e-4, 1, 64), test=1_952),
)

# Methods beside one another, on two sets with a pretrained encoder, and two of them on a Chinese one with an encoder
# that was made here, which wants more rows and twice the rate: there nothing but `full` leaves the commonest label.
# Adapters learn at a higher rate, as in their papers.
FEW = {"epochs": 3, "max_length": 96, "batch_size": 32}
RATES = {"full": 3e-4, "head": 3e-3, "lora": 1e-3, "adalora": 3e-3, "ia3": 5e-3, "bottleneck": 1e-3, "prefix": 5e-3}
COMPARED = (
    *(_compared("cls_en_finphrasebank", "MiniLM", 600, method, rate) for method, rate in RATES.items()),
    *(_compared("tox_en_davidson", "MiniLM", 600, method, rate) for method, rate in RATES.items()),
    *(_compared("cls_zh_hotel_sentiment", "zh encoder", 1_500, name, 2 * RATES[name]) for name in ("full", "lora")),
)

# The same with 16 labels of each class: every way reads each text some twenty times, in batches of 8.
QUICK = {"epochs": 20, "max_length": 96, "batch_size": 8}
PAIRS = {"contrastive": 5, "epochs": 1, "max_length": 96, "batch_size": 8}
OPINION = {"template": "{text} It is {mask} news.", "words": {"negative": "bad", "neutral": "old", "positive": "good"}}
HOTEL = {"template": "{text}总之很{mask}。", "words": {"negative": "差", "positive": "好"}}


def _few(file: str, backbone: str, prompt: dict[str, Any]) -> tuple[Set, ...]:
    ways = (
        {"method": "head", "learning_rate": 3e-2, **QUICK},
        {"method": "full", "learning_rate": 5e-4, **QUICK},
        {"method": "full", "learning_rate": 1e-4, **PAIRS},
        {"method": "full", "learning_rate": 5e-4, "prompt": prompt, **QUICK},
    )
    return tuple(Set(file, "classification", backbone, way, few=16) for way in ways)


COMPARED += (
    *_few("cls_en_finphrasebank", "MiniLM", OPINION),
    *_few("cls_zh_hotel_sentiment", "zh encoder", HOTEL),
)
