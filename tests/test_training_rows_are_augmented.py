"""Training rows are copied with other words: labels stay, and nothing that judges is learned from."""

from dataclasses import replace
from pathlib import Path

import pytest

from models.augment import table_of, with_synonyms
from models.tasks import TASKS
from pipelines.artifact import read_json
from pipelines.errors import Refused
from pipelines.recipe_file import load_recipe
from pipelines.rows import read_rows
from pipelines.settings import ROOT
from pipelines.steps import Work
from tests import toy_models
from tests.training_work import work_of, write_splits

RECIPE = ROOT / "pipelines" / "recipes" / "summary_checker.toml"
PLAIN = {"task": "classification", "gates": [], "finetune.max_length": 40}
ASKED = {"template": "{text} {mask}", "words": {"a": "x", "b": "y"}}
TRAIN = ["Deletes the table of the account.", "Lists the role of the user.", "Creates the queue of the region now."]
TABLE = "table\tdesk\nthe role\ta part\n\nuser\tcustomer\tclient\nqueue\tline\n"


def labelled(texts: list[str], name: str) -> list[dict[str, str]]:
    return [{"id": f"{name}{n}", "text": text, "label": "ab"[n % 2], "lang": "en"} for n, text in enumerate(texts)]


def work(folder: Path, augment: dict[str, object], test: str = "Unlike all others.") -> Work:
    recipe = load_recipe(RECIPE, PLAIN | {"finetune.augment": augment})
    splits = {"train": TRAIN, "validation": ["Updates the alias."], "test": [test]}
    rows = {split: labelled(texts, split) for split, texts in splits.items()}
    write_splits(folder / "dataset" / recipe.data.examples, **rows)
    (folder / "dataset" / "words.tsv").write_text(TABLE)
    return work_of(recipe, folder, {"dataset": folder / "dataset", "model": folder / "base"})


def augmented(made: Work) -> list[dict[str, str]]:
    from pipelines.augmentation import augmented
    from pipelines.examples import read_split

    return augmented(made, TASKS["classification"], read_split(made, "train"))


def test_words_of_the_table_are_replaced_whole_the_longest_first_and_keep_their_capital():
    table = table_of([["table", "desk"], ["the table", "a desk"], ["Bank", "lender"], ["银行", "金融机构"]])
    assert with_synonyms("Tables on the table.", table, 0.1, "1") == "Tables on a desk."
    assert with_synonyms("Bank", table, 0.1, "1") == "Lender"
    assert with_synonyms("Les étés.", table_of([["été", "hiver"]]), 0.1, "1") == "Les étés."
    assert with_synonyms("这家银行很好。", table, 0.1, "1") == "这家金融机构很好。"
    assert with_synonyms("Nothing is known.", table, 0.5, "1") == "Nothing is known."


def test_words_that_end_in_a_mark_are_replaced_and_letters_that_only_look_alike_are_left():
    assert with_synonyms("I like C++.", table_of([["C++", "cpp"]]), 0.5, "1") == "I like Cpp."
    assert with_synonyms("the \u017fun", table_of([["sun", "star"]]), 0.5, "1") == "the \u017fun"


def test_only_the_share_of_the_words_is_replaced_and_the_same_seed_draws_the_same():
    table, text = table_of([["one", "two", "three"]]), "one " * 40
    changed = with_synonyms(text, table, 0.25, "x").split()
    assert sum(word != "one" for word in changed) == 10
    assert changed == with_synonyms(text, table, 0.25, "x").split()
    assert changed != with_synonyms(text, table, 0.25, "y").split()


def test_copies_keep_label_and_group_and_are_counted(tmp_path: Path):
    made = work(tmp_path, {"synonyms": "words.tsv", "copies": 2})
    rows = augmented(made)
    assert [row["text"] for row in rows[:3]] == TRAIN
    copies = {row["text"]: row for row in rows[3:]}
    assert {"Deletes the desk of the account.", "Creates the line of the region now."} <= set(copies)
    for copy in copies.values():
        own = next(row for row in rows[:3] if copy["id"].startswith(f"{row['id']}~synonyms"))
        assert (copy["label"], copy["group"], copy["lang"]) == (own["label"], own["text"], "en")
    assert read_rows(made.out / "augmented.jsonl") == rows[3:]
    assert read_json(made.out / "augmentation.json") == {
        "rows": 3,
        "added": len(copies),
        "dropped": {"near_held_out": 0, "already_there": 6 - len(copies), "incomplete": 0},
    }


def test_the_rounds_of_a_self_training_and_a_try_after_a_kill_have_the_copies_of_the_first(tmp_path: Path):
    made = work(tmp_path, {"synonyms": "words.tsv", "copies": 2})
    rows = augmented(made)
    (tmp_path / "dataset" / "words.tsv").unlink()
    round_of_it = tmp_path / "round-1"
    round_of_it.mkdir()
    assert augmented(replace(made, checkpoints=round_of_it)) == rows
    next_try = tmp_path / "next"
    next_try.mkdir()
    assert augmented(replace(made, out=next_try)) == rows
    for name in ("augmented.jsonl", "augmentation.json"):
        assert (next_try / name).read_bytes() == (made.out / name).read_bytes()
    (made.checkpoints / "augmented.json").write_text('{"copies": [{"id": "tr')
    (next_try / "augmented.jsonl").unlink()
    with pytest.raises(Refused, match=r"data/ has no words\.tsv"):  # what was lost is made anew
        augmented(replace(made, out=next_try))


def test_a_copy_that_is_nearly_a_test_row_is_dropped(tmp_path: Path):
    made = work(tmp_path, {"synonyms": "words.tsv"}, test="Deletes the desk of the account!!")
    assert "Deletes the desk of the account." not in [row["text"] for row in augmented(made)]
    assert read_json(made.out / "augmentation.json")["dropped"]["near_held_out"] == 1


def test_a_table_that_is_missing_or_has_a_lone_word_is_refused_with_its_place(tmp_path: Path):
    made = work(tmp_path, {"synonyms": "words.tsv"})
    (tmp_path / "dataset" / "words.tsv").write_text("a\tb\nlone\n")
    with pytest.raises(Refused, match=r"words.tsv, line 2: 'lone' stands alone"):
        augmented(made)
    (tmp_path / "dataset" / "words.tsv").write_text("US\tus\n")
    with pytest.raises(Refused, match=r"line 1: 'US' stands alone"):
        augmented(made)
    (tmp_path / "dataset" / "words.tsv").write_bytes(b"caf\xe9\tbar\n")
    with pytest.raises(Refused, match=r"not UTF-8 at byte 3"):
        augmented(made)
    (tmp_path / "dataset" / "words.tsv").unlink()
    with pytest.raises(Refused, match=r"data/ has no words\.tsv"):
        augmented(made)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"finetune.augment": {"copies": 2}}, "say how"),
        ({"finetune.augment": {"synonyms": "../words.tsv"}}, "leaves data/"),
        ({"task": "retrieval"}, "finetune.augment is for tasks that answer with labels or write; retrieval"),
        ({"finetune.epochs": 0, "finetune.prompt": ASKED}, "nothing learns"),
        ({"pretrain.objective": "causal", "finetune.prompt": ASKED}, "needs a masked model"),
    ],
)  # fmt: skip
def test_what_augmentation_cannot_use_is_refused_before_anything_runs(changes: dict[str, object], problem: str):
    with pytest.raises(Refused, match=problem):
        load_recipe(RECIPE, PLAIN | {"finetune.augment": {"masked": True}} | changes)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["word pieces", "bytes"])
def test_a_masked_model_puts_whole_words_in_the_place_of_whole_words(kind: str, tmp_path: Path):
    from models import backbone, scratch
    from models.augment import with_likely_words

    if kind == "bytes":
        model, tokenizer = scratch.scratch("micro-encoder", toy_models.TEXTS * 2, 1)
    else:
        model, tokenizer, _ = backbone.masked_from_encoder(toy_models.encoder_folder(tmp_path), 1)
        model.eval()
    texts = toy_models.TEXTS[:40]
    seeds = [str(n) for n in range(40)]
    changed = with_likely_words(model, tokenizer, texts, 0.2, seeds)
    for before, after in zip(texts, changed, strict=True):
        was, now = before.rstrip(".").split(), after.rstrip(".").split()
        assert after.endswith(".")
        assert len(was) == len(now)
        assert sum(a != b for a, b in zip(was, now, strict=True)) == 1
        assert all(word.isalpha() for word in now)
    assert with_likely_words(model, tokenizer, texts[::-1], 0.2, seeds[::-1])[::-1] == changed


@pytest.mark.parametrize("kind", ["sentence pieces", "bytes"])
def test_a_piece_that_goes_on_with_a_word_is_never_drawn_as_one(kind: str):
    """Neither says so by two signs before it, as BERT's pieces do."""
    from models.augment import with_likely_words

    tokenizer = toy_models.marked_pieces(kind)
    going_on = [n for n, name in enumerate(tokenizer.convert_ids_to_tokens(range(len(tokenizer)))) if name.isalpha()
                and not name.startswith(("\u2581", "\u0120"))]  # fmt: skip
    assert len(going_on) > 20
    text = "Lists the table of the user of the key of the region."
    (changed,) = with_likely_words(toy_models.Liking(len(tokenizer), going_on), tokenizer, [text], 0.5, ["1"])
    beginning = {tokenizer.convert_tokens_to_string([name]).strip() for name in tokenizer.get_vocab()
                 if name.startswith(("\u2581", "\u0120"))}  # fmt: skip
    new = [now for was, now in zip(text.split(), changed.split(), strict=True) if was != now]
    assert new
    assert {word.strip(".:").lower() for word in new} <= {word.lower() for word in beginning}


@pytest.mark.slow
def test_a_training_goes_through_the_copies_too_and_lays_them_beside_its_weights(tmp_path: Path):
    from models import backbone
    from pipelines.finetune import finetune

    made = work(tmp_path, {"synonyms": "words.tsv", "masked": True})
    model, tokenizer, _ = backbone.masked_from_encoder(toy_models.encoder_folder(tmp_path / "encoder"), 1)
    backbone.save(model, tokenizer, tmp_path / "base" / "model")
    finetune(made)
    ids = [row["id"] for row in read_rows(made.out / "augmented.jsonl")]
    assert "train0~synonyms1" in ids
    assert any("~masked" in name for name in ids)
    assert (made.out / "model" / "model.safetensors").is_file()
