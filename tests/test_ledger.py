"""The ledger keeps what was written, in its order, or says where it was touched."""

import pytest

from pipelines.errors import ScriptoriumError
from pipelines.ledger import append, read, verify


@pytest.fixture
def ledger(tmp_path):
    path = tmp_path / "ledger" / "checker.jsonl"
    for number, event in enumerate(("approved", "promoted", "rejected")):
        append(path, event, f"dossier-{number}", {"reviewer": "ada", "reason": "reads well\nand true"})
    return path


def test_a_whole_ledger_verifies_and_reads_in_order(ledger):
    assert verify(ledger) == read(ledger)[-1].sha256
    assert [entry.event for entry in read(ledger)] == ["approved", "promoted", "rejected"]


def test_an_edited_line_is_found_by_its_number(ledger):
    lines = ledger.read_text().splitlines(keepends=True)
    ledger.write_text("".join([lines[0], lines[1].replace("ada", "eve"), lines[2]]))
    with pytest.raises(ScriptoriumError, match="line 2"):
        verify(ledger)


@pytest.mark.parametrize("removed", [0, 1])
def test_a_removed_line_breaks_the_chain(ledger, removed):
    lines = ledger.read_text().splitlines(keepends=True)
    ledger.write_text("".join(line for number, line in enumerate(lines) if number != removed))
    with pytest.raises(ScriptoriumError, match="chain is broken"):
        verify(ledger)


def test_nothing_is_added_to_a_broken_chain(ledger):
    before = ledger.read_text().replace("ada", "eve")
    ledger.write_text(before)
    with pytest.raises(ScriptoriumError, match="chain is broken"):
        append(ledger, "promoted", "dossier-9", {})
    assert ledger.read_text() == before


def test_a_half_written_last_line_is_dropped_by_the_next_entry(ledger):
    with ledger.open("a") as file:
        file.write('{"sequence": 3, "prev')
    append(ledger, "promoted", "dossier-9", {})
    assert [entry.sequence for entry in read(ledger)] == [0, 1, 2, 3]
    verify(ledger)


def test_the_same_event_for_the_same_dossier_is_recorded_once(ledger):
    again = append(ledger, "promoted", "dossier-1", {"reviewer": "ada"})
    assert again == read(ledger)[1]
    assert len(read(ledger)) == 3


def test_a_line_that_is_no_entry_is_named(ledger):
    ledger.write_text("nonsense\n")
    with pytest.raises(ScriptoriumError, match="no ledger entry"):
        read(ledger)
