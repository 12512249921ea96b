"""What a model writes to many prompts is kept batch by batch: through kills and stops, and for trainings to come."""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from models.prompt import Prompt
from pipelines.artifact import read_json
from pipelines.augment_recipe import BackTranslation
from pipelines.back_translation import back_translated
from pipelines.errors import Refused
from pipelines.kept_texts import UNUSED_DAYS, kept_in, written, written_once
from pipelines.recipe_file import load_recipe
from pipelines.remains import remains
from pipelines.settings import ROOT
from pipelines.steps import Work
from tests.killing import killed
from tests.toy_models import TEXTS, decoder, decoder_tokenizer, written_by
from tests.training_work import work_of

PROMPTS = [Prompt(text) for text in TEXTS]
MOST = 16
FEW = TEXTS[:40]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A decoder that has learned nothing: it writes the same to the same prompt, and that is enough."""
    from models import backbone

    found, tokenizer = tmp_path_factory.mktemp("written") / "writer", decoder_tokenizer()
    backbone.save(decoder(len(tokenizer)), tokenizer, found)
    return found


def loaded(folder: Path) -> tuple[Any, Any]:
    from models.writers import load_writer

    return load_writer(folder)


def work(home: Path) -> Work:
    """A training that has a home of its own."""
    recipe = load_recipe(ROOT / "pipelines" / "recipes" / "summary_checker.toml", {"finetune.max_length": MOST})
    return work_of(recipe, home, {})


def translate(home: Path, folder: Path) -> list[Any]:
    from models.tasks import TASKS

    named = {"model": str(folder)}
    chain = BackTranslation(language="zh", there=named, back=named)
    rows = [{"id": str(n), "text": text, "label": "a", "lang": "en"} for n, text in enumerate(FEW)]
    return back_translated(work(home), chain, TASKS["classification"], rows)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[Prompt]:
    """What is written from now on, as it is asked for."""
    from models import generate

    asked, plain = list[Prompt](), generate.generate

    def counting(model: Any, tokenizer: Any, prompts: list[Prompt], **named: Any) -> list[str]:
        asked.extend(prompts)
        return plain(model, tokenizer, prompts, **named)

    monkeypatch.setattr(generate, "generate", counting)
    return asked


@pytest.mark.slow
def test_a_translation_that_is_killed_goes_on_with_the_rest_and_is_not_done_twice(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from models.generate import BATCH

    kept = kept_in(work(tmp_path / "killed").settings)
    assert killed(partial(translate, tmp_path / "killed", folder), 6, kept), "while it kept its second batch"
    assert len(list(kept.glob("*/*.json"))) == 1
    there = translate(tmp_path / "undisturbed", folder)
    asked = counted(monkeypatch)
    assert translate(tmp_path / "killed", folder) == there
    rest = len(asked)
    assert rest == sum(len(read_json(file)) for file in kept.glob("*/*.json")) - BATCH
    assert translate(tmp_path / "killed", folder) == there
    assert len(asked) == rest, "another training with the same rows has them already"


@pytest.mark.parametrize("family", ["decoder", "bart"])
def test_a_stop_is_answered_at_the_next_token_and_the_batches_before_it_are_kept(
    family: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from models import stop

    monkeypatch.setattr("models.generate.BATCH", 4)
    model, tokenizer = loaded(folder) if family == "decoder" else written_by("bart")
    tokens, prompts = list[int](), sorted(PROMPTS, key=lambda prompt: (len(prompt.text), prompt))[:12]
    plain = model.forward

    def forward(*arguments: Any, **named: Any) -> Any:
        tokens.append(len(list(tmp_path.glob("*.json"))))
        if tokens[-1] == 1 == tokens.count(1):  # the first token of the second batch
            stop.requested.set()
        return plain(*arguments, **named)

    monkeypatch.setattr(model, "forward", forward)
    try:
        with pytest.raises(stop.Stopped, match="4 of 12 texts are kept; the next try goes on with the rest"):
            written(lambda: (model, tokenizer), prompts, tmp_path, MOST)
    finally:
        stop.requested.clear()
    assert tokens.count(1) == 1
    asked = counted(monkeypatch)
    assert len(written(lambda: (model, tokenizer), prompts, tmp_path, MOST)) == 12
    assert len(asked) == 8


@pytest.mark.parametrize("content", ["", '["cut', "\0" * 40])
def test_a_batch_whose_file_was_lost_with_the_power_is_written_anew(
    content: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pair = loaded(folder)
    whole = written(lambda: pair, PROMPTS[:40], tmp_path, MOST)
    (tmp_path / "32.json").write_text(content)
    asked = counted(monkeypatch)
    assert written(lambda: pair, PROMPTS[:40], tmp_path, MOST) == whole
    assert len(asked) == 8


def never() -> tuple[Any, Any]:
    raise Refused("it is loaded")


def test_only_the_same_bytes_asked_the_same_are_not_written_again(folder: Path, tmp_path: Path):
    made, few = work(tmp_path / "home"), PROMPTS[:4]
    whole = written_once(made, folder, partial(loaded, folder), few, MOST)
    assert written_once(made, folder, never, few, MOST) == whole
    assert written_once(made, folder, never, [*few[::-1], few[0]], MOST) == [*whole[::-1], whole[0]]
    other: list[Callable[[], Any]] = [
        lambda: written_once(made, folder, never, PROMPTS[:5], MOST),
        lambda: written_once(made, folder, never, few, MOST + 1),
        lambda: written_once(replace(made, run=locked(made)), folder, never, few, MOST),
    ]
    for once in other:
        with pytest.raises(Refused, match="it is loaded"):
            once()
    (folder / "generation_config.json").write_text('{"eos_token_id": 3}')
    with pytest.raises(Refused, match="it is loaded"):
        written_once(made, folder, never, few, MOST)
    (folder / "generation_config.json").unlink()


def locked(made: Work) -> Any:
    return made.run.model_copy(update={"lock_sha256": "1" * 64})


def test_texts_that_nobody_asks_for_any_more_are_removed_and_said_to_lie_there_until_then(folder: Path, tmp_path: Path):
    made = work(tmp_path / "home")
    assert remains((), {}, made.settings) == ()
    written_once(made, folder, partial(loaded, folder), PROMPTS[:2], MOST)
    (old,) = kept_in(made.settings).iterdir()
    assert any(str(kept_in(made.settings)) in place for place in remains((), {}, made.settings))
    past = time.time() - (UNUSED_DAYS + 1) * 24 * 3600
    os.utime(old, (past, past))
    written_once(made, folder, partial(loaded, folder), PROMPTS[2:4], MOST)
    assert old not in kept_in(made.settings).iterdir()
