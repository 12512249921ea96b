"""What a training learns from is tokenised once, into files: whole or not there, and read again by the next try."""

import os
import resource
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest

from pipelines.recipe_file import load_recipe
from pipelines.run import new_run
from pipelines.settings import ROOT, read_settings
from pipelines.steps import Work
from tests.toy_models import TEXTS, decoder, decoder_tokenizer, opt
from tests.versioned_data import write

PIECES = [[5, 6, 7], [8, 9], [10, 11, 12, 13]]
ORDER = [0, 1, 2, 2, 0]

STOPPED_WHILE_WRITING = """
import os, signal, sys
from pathlib import Path
from models.token_file import write

def draw(keep):
    keep([1, 2, 3])
    os.kill(os.getpid(), signal.SIGKILL)

write(Path(sys.argv[1]), draw)
"""


def drawing(pieces):
    def draw(keep):
        for piece in pieces:
            keep(piece)
        return ORDER

    return draw


def test_pieces_come_back_in_the_order_of_learning(tmp_path):
    from models import token_file

    written = token_file.write(tmp_path / "tokens", drawing(PIECES))
    for found in (written, token_file.TokenFile(tmp_path / "tokens")):
        assert list(found) == [PIECES[number] for number in ORDER]
        assert found[1:3] == [PIECES[1], PIECES[2]]
        with pytest.raises(IndexError):
            found[len(ORDER)]


def test_pieces_that_know_their_words_still_do(tmp_path):
    from models import token_file
    from models.masking import Words

    known = [Words(piece, [-1] * len(piece)) for piece in PIECES]
    assert [piece.words for piece in token_file.write(tmp_path / "tokens", drawing(known))] == [
        known[n].words for n in ORDER
    ]


def test_nothing_to_learn_from_is_an_empty_file(tmp_path):
    from models import token_file

    assert list(token_file.write(tmp_path / "tokens", lambda _: [])) == []


def test_a_file_that_a_kill_left_half_written_is_not_there_and_is_written_anew(tmp_path):
    from models import token_file

    folder = tmp_path / "tokens"
    killed = subprocess.run([sys.executable, "-c", STOPPED_WHILE_WRITING, folder], cwd=ROOT, env=os.environ)
    assert killed.returncode == -signal.SIGKILL
    assert not folder.exists()
    assert list(token_file.write(folder, drawing(PIECES))) == [PIECES[number] for number in ORDER]
    assert [path.name for path in tmp_path.iterdir()] == ["tokens"]


@pytest.fixture
def reader(tmp_path):
    """A step's work whose corpora hold the toy texts, and its tokenizer."""
    data = tmp_path / "dataset"
    for name in ("domain", "general"):
        rows = [{"text": text, "split": "train"} for text in TEXTS]
        write(data / f"corpus/{name}.jsonl", rows)
    recipe = load_recipe(ROOT / "pipelines" / "recipes" / "docs_writer.toml")
    run, settings = new_run(recipe, "test", "0" * 32, "tester"), read_settings({"SCRIPTORIUM_HOME": str(tmp_path)})
    return Work(run, {"dataset": data}, tmp_path, tmp_path / "checkpoints", settings, run_uri=""), decoder_tokenizer()


def test_the_next_try_of_a_training_does_not_tokenise_again(reader, capsys):
    from pipelines.language_training import text_plan

    work, tokenizer = reader
    model = decoder(len(tokenizer))
    amounts = {"corpus/domain.jsonl": 800, "corpus/general.jsonl": 100}
    first = text_plan(work, (model, tokenizer), amounts)
    assert "corpus/domain.jsonl: 8" in capsys.readouterr().out
    again = text_plan(work, (model, unable(tokenizer)), amounts)
    assert "tokenised by the try before" in capsys.readouterr().out
    assert [batch["input_ids"].tolist() for batch in first] == [batch["input_ids"].tolist() for batch in again]
    with pytest.raises(TypeError, match="not callable"):
        text_plan(work, (model, unable(tokenizer)), {"corpus/domain.jsonl": 900})


def test_a_training_of_a_model_that_sees_what_is_packed_beside_a_text_says_that_it_packs_nothing(reader, capsys):
    from pipelines.language_training import text_plan

    work, tokenizer = reader
    amounts = {"corpus/domain.jsonl": 800}
    alone = text_plan(work, (opt(len(tokenizer)), tokenizer), amounts)
    assert capsys.readouterr().out.count("in this opt: one stands a row") == 1
    packed = text_plan(work, (decoder(len(tokenizer)), tokenizer), amounts)
    assert "one stands a row" not in capsys.readouterr().out
    assert "attention_mask" in alone[0]
    assert "attention_mask" not in packed[0]
    learned = [sum(int((batch["labels"][:, 1:] != -100).sum()) for batch in plan) for plan in (alone, packed)]
    assert learned[0] == learned[1]


def unable(tokenizer):
    """What cannot tokenise."""
    return SimpleNamespace(pad_token_id=tokenizer.pad_token_id, mask_token_id=None)


def test_a_disk_that_takes_no_more_is_noticed_and_leaves_nothing_to_learn_from(tmp_path):
    """As a full one: what was short of its end was learned from, in pieces that were cut elsewhere."""
    from models import token_file

    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limit[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            token_file.write(tmp_path / "tokens", lambda keep: [keep([n] * 100) or n for n in range(100)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert not (tmp_path / "tokens").exists()
