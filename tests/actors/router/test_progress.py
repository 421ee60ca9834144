"""The output that a person reads at the terminal of a running coordinator."""

from structlog.testing import capture_logs

from actors.protocol.reports import ReportBlocked
from tests.actors.router.office import Office


def test_each_step_of_a_subtask_is_one_line(office: Office) -> None:
    office.up("coder")
    with capture_logs() as lines:
        office.create("A", "coder", title="Build it")
        office.create("B", "coder", "A", title="Test\x1b[31m it")
        office.report("coder", "Built in src/.\nIt has two parts.")
        office.end_turn("coder")
        office.update("B", details="Well.")
        office.ask(ReportBlocked, agent="coder", way="gateway", reason="no key")
        office.complete("A")
        office.create("B", "coder", "A", title="Test it")
        office.complete("B", "x" * 500)
    assert [(line["event"], line["subtask"], line["agent"]) for line in lines] == [
        ("subtask_created", "A", "coder"),
        ("subtask_handed_over", "A", "coder"),
        ("subtask_created", "B", "coder"),
        ("subtask_completed", "A", "coder"),
        ("subtask_handed_over", "B", "coder"),
        ("subtask_blocked", "B", "coder"),
        ("subtask_completed", "B", None),
    ], "what is repeated adds none"
    assert lines[3]["summary"] == "Built in src/."
    assert lines[2]["title"] == "Test[31m it"
    assert len(lines[-1]["summary"]) == 101
