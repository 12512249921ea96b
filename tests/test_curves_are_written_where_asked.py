"""A training's curves go to TensorBoard and to offline W&B when asked, each row once however often it was stopped."""

import json
import math
import struct
from dataclasses import replace

import pytest

from pipelines.curve_files import numbers
from pipelines.run import new_run
from pipelines.settings import read_settings
from pipelines.steps import Work
from tests.evidence import MD5

pytestmark = pytest.mark.slow


@pytest.fixture
def work(tmp_path):
    import tomllib

    from pipelines.recipe_file import parse_recipe
    from tests.evidence import RECIPE

    settings = read_settings({"SCRIPTORIUM_HOME": str(tmp_path), "SCRIPTORIUM_CURVES": "tensorboard, wandb"})
    run = new_run(parse_recipe(tomllib.loads(RECIPE), "test"), "r1", MD5, "engineer")
    folder = settings.work / "finetune" / ("ab" * 32)
    (folder / "checkpoints").mkdir(parents=True)
    return Work(run, {}, folder / "out", folder / "checkpoints", settings, run_uri="")


def once(work, base, stopped_after=0):
    """A toy training to its end, or to a stop."""
    from models import stop, train
    from models.schedule import Pace
    from pipelines.training import trained
    from tests import train_toy

    model, _, plan = train_toy.prepared("classifier", base)
    measured = iter(range(1, 9))
    validation = train.Validation(lambda _: {"accuracy": next(measured) / 10}, "accuracy", higher_is_better=True)
    losses, compute = [], train.PlanTrainer.compute_loss

    def stopping(self, *arguments, **named):
        losses.append(1)
        if len(losses) == stopped_after:
            stop.requested.set()
        return compute(self, *arguments, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train.PlanTrainer, "compute_loss", stopping)
        try:
            return trained(work, model, plan, Pace(1e-3), validation)
        finally:
            stop.requested.clear()


def told(record):
    """Every number of a record, by name and place."""
    rows = [*record.curve, *map(numbers, record.epochs)]
    places = [(row, "epoch" if "epoch" in row else "step") for row in rows]
    return sorted((name, row[axis], value) for row, axis in places for name, value in row.items() if name != axis)


def in_tensorboard(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return sorted((tag, one.step, one.value) for tag in events.Tags()["scalars"] for one in events.Scalars(tag))


def in_wandb(folder):
    """The numbers of an offline run, read from its own file; W&B itself reads it in Go only."""
    from wandb.proto import wandb_internal_pb2

    (file,) = folder.rglob("*.wandb")
    found = []
    for data in log_records(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        row = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
        axis = "epoch" if "epoch" in row else "step"
        # Its own counter stands in each row, and the last step beside each epoch.
        found += [(n, row[axis], v) for n, v in row.items() if n not in {"step", "epoch"} and not n.startswith("_")]
    return sorted(found)


def log_records(content, block=32768, header=7):
    """The records of a LevelDB log: before each piece its checksum, length and part (1 whole, 2 first ... 4 last)."""
    place, pieces = header, []  # W&B's own mark stands first
    while place + header <= len(content):
        if block - place % block < header:
            place += block - place % block
            continue
        _, size, part = struct.unpack("<IHB", content[place : place + header])
        pieces.append(content[place + header : place + header + size])
        place += header + size
        if part in {1, 4}:
            yield b"".join(pieces)
            pieces = []


def close(one, other):
    assert [row[:2] for row in one] == [row[:2] for row in other]
    assert all(math.isclose(a[2], b[2], rel_tol=1e-6) for a, b in zip(one, other, strict=True)), "fp32 in event files"


def test_a_training_that_was_stopped_and_went_on_has_each_row_once(work, tmp_path):
    from models.stop import Stopped
    from tests.toy_models import encoder_folder

    base = encoder_folder(tmp_path / "base")
    with pytest.raises(Stopped):
        once(work, base, stopped_after=3)
    record = once(work, base)
    steps = [row["step"] for row in record.curve]
    assert steps == list(range(1, len(steps) + 1))
    assert len(record.epochs) == 2
    (tensorboard,) = (tmp_path / "curves" / "tensorboard" / "checker").iterdir()
    assert tensorboard.name == "finetune-abababababab"
    close(in_tensorboard(tensorboard), told(record))
    close(in_wandb(tmp_path / "curves" / "wandb" / "checker" / tensorboard.name), told(record))


def test_without_the_setting_nothing_is_written_and_the_weights_are_the_same(work, tmp_path):
    from tests.toy_models import encoder_folder

    base = encoder_folder(tmp_path / "base")
    plain = replace(work, settings=replace(work.settings, curves=()), checkpoints=tmp_path / "other" / "checkpoints")
    plain.checkpoints.mkdir(parents=True)
    record = once(plain, base)
    assert not (tmp_path / "curves").exists()
    watched = once(work, base)
    assert watched == record


def test_what_the_machine_did_is_kept_over_a_stop_and_a_torn_line(work):
    from pipelines.machine_load import FILE, measured, rows_of

    with measured(work.checkpoints, every=0.2):
        pass
    with (work.checkpoints / FILE).open("a") as file:
        file.write('{"time": 17, "cpu_ut')
        file.write("\n")
    with measured(work.checkpoints, every=0.2):
        pass
    rows = rows_of(work.checkpoints)
    assert len(rows) == 2
    assert rows[0]["time"] <= rows[1]["time"]
    assert {"cpu_utilization_percentage", "system_memory_usage_megabytes"} <= set(rows[0])


def test_what_cannot_be_measured_ends_the_measuring_and_not_the_training(tmp_path, monkeypatch, capsys):
    from pipelines import machine_load

    class Broken:
        def __init__(self):
            raise AttributeError("'NoneType' object has no attribute 'bytes_recv'")

    monkeypatch.setattr("mlflow.system_metrics.metrics.network_monitor.NetworkMonitor", Broken)
    with machine_load.measured(tmp_path, 0.01):
        pass
    assert machine_load.rows_of(tmp_path), "the others still measure"
    monkeypatch.setattr(machine_load, "_row", lambda _: 1 / 0)
    with machine_load.measured(tmp_path, 0.01):
        pass
    assert "not measured any more: ZeroDivisionError" in capsys.readouterr().out
