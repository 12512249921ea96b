"""The recipes that come with the project run on real rows, whole and at reduced size, up to their gates."""

import gzip
import json
import re
import runpy

import pytest

from pipelines import local
from pipelines.dataset import commit_data
from pipelines.recipe_file import load_recipe
from pipelines.settings import ROOT, read_settings

REAL = ROOT.parent / "shared" / "data"

# A recipe, the set that its examples are taken from, and the set whose texts are its domain's.
PRODUCTS = {
    "headline_writer": ("sum_zh_finance_headline", "cls_zh_finance_news_sentiment"),
    "news_writer": ("gen_en_news_from_headline", "corpus_en_finance_reuters"),
    "ad_writer": ("gen_zh_ad_copy", "corpus_zh_ecommerce_reviews"),
    "translator": ("mt_en_zh_tatoeba", "corpus_zh_ecommerce_reviews"),
    "service_desk": ("dialog_zh_crosswoz", "corpus_zh_ecommerce_reviews"),
    "service_desk_finder": ("faq_en_medquad", "corpus_en_finance_reuters"),
    "writing_assistant": ("rewrite_zh_gec_mucgec", "corpus_zh_ecommerce_reviews"),
    "opinion_sentiment": ("cls_zh_hotel_sentiment", "corpus_zh_ecommerce_reviews"),
    "opinion_topic": ("cls_zh_tnews_topic", "corpus_zh_ecommerce_reviews"),
    "chinese_law": ("corpus_zh_law", "corpus_zh_law"),
    "recommender": ("rec_movielens_small", "corpus_en_finance_reuters"),
}
# What a recipe leaves out, for want of the same model everywhere.
MORE = {"news_writer": {"evaluate.encoder": {"model": "hf://sentence-transformers/all-MiniLM-L6-v2"}}}
SIZES = {"train": 64, "validation": 16, "test": 16}
TEXTS = 40

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not REAL.is_dir(), reason="needs the real sets beside the project")]


def test_there_is_no_other_recipe_than_these_and_the_demos():
    shipped = {path.stem for path in (ROOT / "pipelines" / "recipes").glob("*.toml")}
    assert shipped == {*PRODUCTS, "summary_checker", "docs_writer"}


@pytest.mark.parametrize("name", PRODUCTS)
def test_it_runs_up_to_its_gates(name, tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SCRIPTORIUM_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SCRIPTORIUM_MLFLOW_URL", "http://127.0.0.1:9")
    settings = read_settings()
    recipe = load_recipe(ROOT / "pipelines" / "recipes" / f"{name}.toml")
    lay_out(recipe, settings.data)
    commit_data()
    report, verdicts = local.train(name, reduced(recipe) | MORE.get(name, {}), settings)
    assert {verdict.outcome for verdict in verdicts if "champion" not in verdict.condition} <= {
        "pass",
        "fail",
        "insufficient",  # so few rows cannot decide everything
    }
    assert len(verdicts) == len(recipe.gates)
    assert ("bert_score" in report["metrics"]) is (name in MORE)


def lay_out(recipe, data):
    """The files that the recipe names, with a few real rows each."""
    examples, domain = PRODUCTS[recipe.name]
    found = rows(examples) if examples != domain else provisions(rows(domain)[2 * TEXTS :])
    parts = runpy.run_path(str(REAL / "splits.py"))["split"](found)
    for part, (split, count) in zip(parts, SIZES.items(), strict=True):
        write(data / recipe.data.examples / f"{split}.jsonl", chosen(part, count))
    texts = {recipe.data.corpus: rows(domain)[:TEXTS], recipe.data.replay.corpus: rows(domain)[TEXTS : 2 * TEXTS]}
    for path, found in texts.items():
        write(data / path, [unlabelled(row, number) for number, row in enumerate(found)])


def provisions(documents):
    """A provision of each statute: its beginning, and how it goes on."""
    pattern = re.compile(
        r"^第[一二三四五六七八九十百零]+条[\s\u3000]+(.{10,}?)\N{FULLWIDTH COMMA}(.{10,300})$", re.MULTILINE
    )
    hits = ((row["id"], pattern.search(row["text"])) for row in documents)
    return [{"id": law, "prompt": hit[1], "completion": hit[2], "lang": "zh"} for law, hit in hits if hit]


def chosen(found, count):
    """The first rows; of people's events, those of few people; of labelled texts, those of the first two labels."""
    if "user_id" in found[0]:
        return sorted(found, key=lambda row: row["user_id"])[:count]
    labels = sorted({row["label"] for row in found if "label" in row})[:2]
    return [row for row in found if not labels or row["label"] in labels][:count]


def unlabelled(row, number):
    split = "heldout" if number % 5 == 0 else "train"
    # A statute has a hundred times the characters of a review.
    return {"id": row["id"], "text": row["text"][:1_000], "lang": row["lang"], "domain": "seed", "split": split}


def rows(name):
    with gzip.open(REAL / f"{name}.jsonl.gz", "rt", encoding="utf-8", newline="\n") as file:
        return [json.loads(line) for line in file]


def write(path, found):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found), encoding="utf-8")


def reduced(recipe):
    """The same recipe, in seconds: a model of 0.1 M weights from scratch, few tokens, one epoch."""
    kind = "encoder" if recipe.pretrain.objective == "masked" else "decoder"
    return {
        "base.model": {"scratch": f"micro-{kind}"},
        "base.sha256": None,
        "base.tokens": 4_000,
        "pretrain.tokens": min(recipe.pretrain.tokens, 4_000),
        "finetune.epochs": 1,
        "finetune.early_stopping": 0,
        "evaluate.control": False,
        **({"finetune.max_new_tokens": 32} if kind == "decoder" else {}),  # it never comes to an end by itself
    }
