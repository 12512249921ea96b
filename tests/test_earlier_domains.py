"""Several earlier domains are replayed, measured before and after, and can be named by gates."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.artifact import read_json
from pipelines.errors import Refused
from pipelines.gates import judge, passed
from pipelines.lineage import KeptRun
from pipelines.pretrain import amounts
from pipelines.recipe import Data
from pipelines.recipe_file import load_recipe
from pipelines.routing import form_of, targets
from pipelines.run import Run, new_run
from pipelines.settings import ROOT
from pipelines.steps import made_from
from tests.test_training_steps import TINY, work
from tests.toy_models import TEXTS

LAW = {"name": "law", "corpus": "corpus/law.jsonl", "share": 0.25}
NEWS = {"name": "news", "corpus": "corpus/news.jsonl", "share": 0.1}
RECIPE = ROOT / "pipelines" / "recipes" / "docs_writer.toml"


def data(**changes: Any) -> Data:
    replay = {"corpus": "corpus/general.jsonl", "share": 0.1}
    return Data(**{"corpus": "corpus/domain.jsonl", "examples": "tasks/a", "replay": replay, **changes})


def run(*earlier: dict[str, Any], **changes: Any) -> Run:
    return new_run(load_recipe(RECIPE, {"data.earlier": list(earlier), **changes}), "test", "0" * 32, "tester")


def test_each_corpus_gives_its_share_and_the_domain_the_rest():
    given = amounts(data(earlier=[LAW, NEWS]), 1000)
    assert given == {
        "corpus/domain.jsonl": 550,
        "corpus/general.jsonl": 100,
        "corpus/law.jsonl": 250,
        "corpus/news.jsonl": 100,
    }
    assert amounts(data(), 1000) == {"corpus/domain.jsonl": 900, "corpus/general.jsonl": 100}


def test_a_corpus_that_is_its_own_replay_gives_all_tokens():
    assert amounts(data(replay={"corpus": "corpus/domain.jsonl", "share": 0.1}), 1000) == {"corpus/domain.jsonl": 1000}


@pytest.mark.parametrize(
    ("earlier", "message"),
    [
        ([LAW, LAW | {"corpus": "corpus/b.jsonl"}], "data.earlier.1.name: 'law' is the name of another text"),
        ([LAW | {"name": "general"}], "data.earlier.0.name: 'general' is the name of another text"),
        ([LAW, NEWS | {"corpus": "corpus/law.jsonl"}], "data.earlier.1.corpus: 'corpus/law.jsonl' is another text"),
        ([LAW | {"corpus": "corpus/general.jsonl"}], "data.earlier.0.corpus: 'corpus/general.jsonl' is another text"),
        ([LAW | {"share": 0.9}], "replay 100% of the tokens; leave some for the domain"),
        ([LAW | {"shares": 0.1}], "unknown key 'data.earlier.0.shares'; did you mean 'share'"),
    ],
)
def test_domains_that_cannot_be_told_apart_or_leave_nothing_to_learn_are_refused(earlier, message):
    with pytest.raises(Refused) as refusal:
        run(*earlier)
    assert message in str(refusal.value)


def test_a_gate_may_name_an_earlier_domain_and_no_other():
    gate = {"metric": "bits_per_byte_law_change", "at_most": 0.05}
    gates = run(LAW, gates=[gate]).recipe.gates
    assert [passed(judge(gates, {"bits_per_byte_change": {"law": change}})) for change in (0.04, 0.06)] == [True, False]
    with pytest.raises(Refused, match="has no metric 'bits_per_byte_law_change'"):
        run(NEWS, gates=[gate])


def test_how_much_is_replayed_does_not_make_the_base_anew_and_what_is_measured_does():
    def key(step: str, *earlier: dict[str, Any]) -> dict[str, str]:
        inputs = {"base": ("dataset", "validation"), "pretrain": ("dataset", "base")}[step]
        return made_from(step, run(*earlier), dict.fromkeys(inputs, "0"))

    more = LAW | {"share": 0.3}
    assert key("base", LAW) == key("base", more) != key("base", LAW | {"corpus": "corpus/laws.jsonl"})
    assert key("base", LAW) != key("base", LAW | {"name": "laws"})
    assert key("pretrain", LAW) != key("pretrain", more)


def test_its_rows_are_routed_by_its_name_and_count_as_learned_when_they_are_traced():
    recipe = run(LAW).recipe
    assert targets(recipe)["law"] == "corpus/law.jsonl"
    assert form_of("corpus/law.jsonl", recipe) == "unlabeled"
    kept = KeptRun.model_validate_json(run(LAW).model_dump_json())
    assert kept.use_of("corpus/law.jsonl") == "replay"
    assert kept.learns("replay")


@pytest.mark.slow
def test_it_is_measured_before_and_after_and_held_with_the_general_text(tmp_path, capsys):
    from pipelines.base_model import base
    from pipelines.pretrain import pretrain

    for name, texts in {"domain": TEXTS, "general": TEXTS, "law": [text.upper() for text in TEXTS]}.items():
        write_corpus(tmp_path / "dataset" / f"corpus/{name}.jsonl", texts)
    changes = {**TINY, "data.earlier": [LAW], "pretrain.ewc": 1.0}
    base(work("docs_writer", changes, {"dataset": tmp_path / "dataset"}, tmp_path / "base"))
    inputs = {"dataset": tmp_path / "dataset", "base": tmp_path / "base" / "out"}
    capsys.readouterr()
    pretrain(work("docs_writer", changes, inputs, tmp_path / "pretrain"))
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("corpus/law.jsonl: ")]
    # For the training, and before it for the weights that matter.
    assert len(said) == 2
    before, after = (read_json(tmp_path / n / "out" / "metrics.json")["bits_per_byte"] for n in ("base", "pretrain"))
    assert set(before) == set(after) == {"domain", "general", "law"}
    assert after["law"] < before["law"]


def write_corpus(path: Path, texts: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [{"text": text, "split": "heldout" if n % 5 == 0 else "train"} for n, text in enumerate(texts)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
