"""`scriptorium explain` says which words the champion's answers rest on, and refuses what it cannot explain."""

import json

import pytest

from pipelines.cli_explain import explain
from pipelines.errors import Refused
from pipelines.settings import as_environment
from tests.evidence import EXAMPLES
from tests.promotions import ROW, released, write_recipe
from tests.toy_models import encoder_folder

pytestmark = pytest.mark.service


@pytest.fixture
def champion(mlflow_settings, product, tmp_path):
    from models.backbone import new_classifier, save
    from models.serving import load

    folder = tmp_path / "tuned"
    save(*new_classifier(encoder_folder(tmp_path / "encoder"), ["no", "yes"], 1, 64, 2), folder)
    answered = EXAMPLES[0] | ROW | load(folder, "pair_classification")([ROW])[0]
    files = {f"model/{path.name}": path for path in folder.iterdir()}
    released(mlflow_settings, product, model=files, examples=[answered])
    return product


@pytest.fixture
def said(mlflow_settings, monkeypatch, tmp_path, capfd):
    """What the command prints about one row."""
    for name, value in as_environment(mlflow_settings).items():
        monkeypatch.setenv(name, value)

    def explained(name, row, *, as_json=False):
        (tmp_path / "row.jsonl").write_text(json.dumps(row) + "\n")
        capfd.readouterr()
        explain(name, str(tmp_path / "row.jsonl"), as_json=as_json)
        return capfd.readouterr().out

    return explained


def test_each_row_comes_back_with_its_answer_and_the_words_it_rests_on(champion, said):
    (row,) = json.loads(said(champion, ROW, as_json=True))
    assert row | ROW == row
    assert row["prediction"] in {"yes", "no"}
    assert ["".join(part["text"] for part in text) for text in row["texts"]] == [ROW["text_a"], ROW["text_b"]]
    assert any("gradients" in part for part in row["texts"][1])
    read = said(champion, ROW)
    assert f"-> {row['prediction']}" in read
    assert "when masked" in read
    assert "\x1b" not in read, "no colours where nobody sees them"
    with pytest.raises(Refused, match="line 1: 'text_a' must be a text"):
        said(champion, {"text": "alone"})


def test_without_a_champion_there_is_nothing_to_explain(mlflow_settings, product, said):
    write_recipe(mlflow_settings, product)
    with pytest.raises(Refused, match="has no champion yet"):
        said(product, ROW)
