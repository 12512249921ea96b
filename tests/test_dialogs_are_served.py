"""A model for dialogs takes messages, with what was looked up or without, as MLflow serves it."""

import json

import pytest

from models.scratch import scratch
from models.tasks import TASKS
from pipelines.artifact import sha256_file
from pipelines.served_model import _save_pyfunc
from tests.toy_models import TEXTS

pytestmark = pytest.mark.slow
ASKED = [{"role": "user", "content": TEXTS[0]}]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    import mlflow.pyfunc

    from models import backbone

    folder = tmp_path_factory.mktemp("dialog")
    (folder / "artifact" / "model").mkdir(parents=True)
    backbone.save(*scratch("micro-decoder", TEXTS, 7), folder / "artifact" / "model")
    files = {f"model/{path.name}": {"sha256": sha256_file(path)} for path in (folder / "artifact" / "model").iterdir()}
    (folder / "artifact" / "manifest.json").write_text(json.dumps({"files": files}))
    _save_pyfunc(folder / "served", folder / "artifact", TASKS["dialog"])
    return mlflow.pyfunc.load_model(str(folder / "served"))


def test_each_row_is_answered_as_it_is_alone(served):
    rows = [{"messages": ASKED, "context": [TEXTS[1]]}, {"messages": ASKED, "context": None}]
    answers = served.predict(rows)
    assert answers == [served.predict(rows[:1])[0], served.predict([{"messages": ASKED}])[0]]
    assert all(isinstance(answer["prediction"], str) for answer in answers)


@pytest.mark.parametrize("row", [{"context": ["a"]}, {"messages": "Hello"}, {"messages": ASKED, "context": "a"}])
def test_rows_of_another_shape_are_refused_by_the_signature(served, row):
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match="Failed to enforce schema"):
        served.predict([row])
