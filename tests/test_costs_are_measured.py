"""What an answer costs is measured apart, told with the machine, and limited by gates."""

import subprocess
import sys
import time
import tomllib

import pytest

from models.speed import WARM_UP, costs, percentile
from models.tasks import TASKS
from pipelines.errors import Refused, ScriptoriumError
from pipelines.gates import judge, metric_value
from pipelines.packet_suites import cost as told
from pipelines.recipe import Gate
from pipelines.recipe_file import parse_recipe
from pipelines.report import render_report
from pipelines.settings import ROOT
from pipelines.speed import facts, measured, sample
from pipelines.suite_metrics import suite_metrics
from tests.evidence import RECIPE
from tests.test_report_can_be_read_offline import report as whole_report

MACHINE = {"processor": "A <b>fast</b> one", "cores": 4, "threads": 2, "load": 0.5}
COST = {"n": 100, "p50_ms": 10.0, "p95_ms": 31.5, "texts_per_second": 250.0, "memory_mb": 612.0, "machine": MACHINE}
REPORT = {"speed": COST, "size": {"bytes": 90_000_000}}


def test_each_text_is_timed_by_itself_after_a_few_and_then_all_of_them_at_once():
    asked = []

    def answer(rows):
        asked.append(len(rows))
        time.sleep(0.001)

    found = costs(answer, [{"text": str(n)} for n in range(20)])
    assert asked == [1] * (WARM_UP + 20) + [20]
    assert found["n"] == 20
    assert 1 <= found["p50_ms"] <= found["p95_ms"]
    assert found["texts_per_second"] <= 20_000


def test_what_is_written_is_counted_in_tokens_of_all_texts_at_once():
    def answer(rows):
        time.sleep(0.01)
        return [{"prediction": "so it is"} for _ in rows]

    found = costs(answer, [{"text": str(n)} for n in range(20)], lambda text: len(text.split()))
    assert found["tokens_per_second"] == pytest.approx(3 * found["texts_per_second"], rel=0.01)
    assert found["tokens_per_second"] < 60 / 0.01
    assert "(750 tokens)" in told({"speed": COST | {"tokens_per_second": 750.0}, "size": REPORT["size"]})
    assert "speed_tokens_per_second" in suite_metrics(TASKS["generation"])
    assert "speed_tokens_per_second" not in suite_metrics(TASKS["classification"])


def test_percentiles_are_values_that_were_measured():
    assert [percentile(range(100), percent) for percent in (50, 95)] == [50, 95]
    assert percentile([3.0], 95) == 3.0


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere getrusage is all that there is")
def test_the_memory_of_a_process_is_its_own_and_not_that_of_whoever_started_it():
    held = bytearray(300_000_000)
    held[::4096] = b"x" * len(held[::4096])
    code = "from models.speed import peak_bytes; print(peak_bytes())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert 5_000_000 < int(done.stdout) < 200_000_000


def test_the_same_rows_are_timed_whatever_their_order_and_fewer_of_those_that_are_written():
    rows = [{"id": f"r{n}", "text": "x"} for n in range(150)]
    assert len(sample(TASKS["classification"], rows)) == 100
    assert sample(TASKS["classification"], rows[::-1]) == sample(TASKS["classification"], rows)
    assert len(sample(TASKS["generation"], rows)) == 20


def test_a_model_that_cannot_be_asked_is_no_number(tmp_path):
    with pytest.raises(ScriptoriumError, match="could not be timed"):
        measured(TASKS["classification"], tmp_path, [{"id": "a", "text": "x"}], 1)


def test_the_machine_is_told():
    assert facts(2)["threads"] == 2
    assert facts(2)["processor"]


def test_gates_limit_time_memory_and_size_and_what_was_not_measured_never_passes():
    limits = {"speed_p50_ms": 10, "speed_p95_ms": 30, "speed_memory_mb": 700, "size_bytes": 100_000_000}
    gates = [Gate(metric=name, at_most=limit) for name, limit in limits.items()]
    gates.append(Gate(metric="speed_texts_per_second", at_least=300))
    assert [verdict.outcome for verdict in judge(gates, REPORT)] == ["pass", "fail", "pass", "pass", "fail"]
    assert {verdict.outcome for verdict in judge(gates, {"metrics": {}, "speed": {}})} == {"error"}
    assert metric_value("speed_machine", REPORT) is None


@pytest.mark.parametrize(
    ("evaluate", "gate", "message"),
    [
        ({}, {"metric": "speed_p95_ms", "at_most": 50.0}, "speed_p95_ms needs evaluate.speed = true"),
        ({"speed": True}, {"metric": "speed_p95_ms", "at_least": 50.0}, "it takes at_most"),
        ({"speed": True}, {"metric": "speed_p99_ms", "at_most": 50.0}, "did you mean 'speed_p95_ms'?"),
        ({}, {"metric": "size_byte", "at_most": 50.0}, "did you mean 'size_bytes'?"),
    ],
)
def test_a_gate_on_what_is_not_measured_is_refused(evaluate, gate, message):
    with pytest.raises(Refused) as refusal:
        parse_recipe(tomllib.loads(RECIPE) | {"evaluate": evaluate, "gates": [gate]}, "test")
    assert message in str(refusal.value)


def test_the_page_and_the_packet_say_on_which_machine():
    page = render_report(whole_report() | REPORT)
    assert "<b>31.5</b> ms" in page
    assert "A &lt;b&gt;fast&lt;/b&gt; one, 2 threads of 4 cores" in page
    assert "What an answer costs" not in render_report(whole_report())
    assert "95 % up to 31.5; all at once 250.0 a second. 612 MB of memory, 90.0 MB of files" in told(REPORT)
    assert r"A \<b\>fast\</b\> one" in told(REPORT)
