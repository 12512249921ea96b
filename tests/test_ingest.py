"""What is dropped becomes a version of the data, once; what is refused changes nothing and is remembered."""

import pytest

from pipelines import dataset
from pipelines.version_history import current, history
from tests.dropped_files import TRAIN, drop, example, findings, folder, places, settings, take_in
from tests.versioned_data import read

__all__ = ["folder", "settings", "take_in"]


def test_what_is_dropped_becomes_the_first_version_and_is_taken_once(settings, folder, take_in):
    outcome = take_in(folder)
    assert (outcome.state, outcome.result.verdict) == ("accepted", "accept")
    assert outcome.md5 == current(settings).md5
    assert {name: change.added for name, change in outcome.changes.items()}[TRAIN] == 20
    dataset.verify()
    assert read(settings.data / TRAIN) == [example(f"train-{n}") for n in range(20)]
    assert take_in(folder) is None
    assert [event.event for event in history(settings)] == ["adopted", "changed"]


@pytest.mark.slow
def test_a_refused_batch_changes_nothing_and_comes_again_whole_when_it_is_mended(settings, folder, take_in):
    before = take_in(folder).md5
    drop(folder / "train" / "good.jsonl", [example("good")])
    bad = drop(folder / "train" / "bad.jsonl", [example("fine"), example("bad") | {"prompt": 7}])
    outcome = take_in(folder)
    assert (outcome.state, current(settings).md5) == ("refused", before)
    assert places(findings(outcome)["types"]) == {(str(bad), 2)}
    assert take_in(folder).result == outcome.result, "asked again, the answer is the same"
    drop(bad, [example("fine"), example("bad")])
    assert take_in(folder).changes[TRAIN].added == 3
