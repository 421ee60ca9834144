"""The end of a subtask: a report, a result file, a marker, or no report at all."""

from pathlib import Path
from typing import Any

import pytest

from actors.protocol.deliveries import DeliveryState, DeliveryStep
from actors.protocol.feed import FeedPage, FeedRequest
from actors.protocol.names import WORKDIR
from actors.protocol.reports import (
    Completion,
    DescribeSubtask,
    DropDelivery,
    ReportBlocked,
    ReportCompletion,
    RetryDelivery,
    RetrySubtask,
    SendMessage,
    ShareKnowledge,
    StartSession,
    SubtaskReport,
)
from actors.protocol.sessions import Progressed, Refusal, SessionChanged, SessionReady, SessionState
from actors.router.feed import KNOWLEDGE_SIZE
from tests.actors.router.office import Office


def test_a_report_completes_the_subtask_and_is_published_once(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder", parent="T")
    answer = office.report("coder", "JWT in auth/jwt.py", insights=("HS256",), files=("auth/jwt.py",))
    assert answer.ok
    assert office.node("A").state == "completed"
    assert office.node("A").summary == "JWT in auth/jwt.py"
    # The same report again changes nothing; and the backend hears of it when it is there, once
    assert not office.report("coder").ok
    assert office.ask(
        ReportCompletion, agent="coder", way="gateway", completion=Completion(summary="again"), subtask_id="A"
    ).ok
    assert office.node("A").summary == "JWT in auth/jwt.py"
    office.backend_opens()
    (publication,) = office.published()
    assert publication.event_type == "subtask.completed"
    assert publication.payload["insights_found"] == ["HS256"]
    assert publication.payload["completed_by"] == "coder"


def updates(office: Office) -> list[tuple[str, str]]:
    """Return the subtasks and statuses that the backend was told of."""
    office.backend_opens()
    found = {each.key: each.payload for each in office.published() if each.event_type == "subtask.updated"}
    return [(payload["id"], payload["status"]) for payload in found.values()]


def test_the_backend_hears_when_work_has_begun_and_not_before(office: Office) -> None:
    office.up("coder", "tester")
    office.create("A", assignees=("coder", "tester"))
    office.message("coder", "hello")
    assert updates(office) == []
    # When Claude has read the assignment; it is told once, however many work on it
    for agent in ("coder", "tester"):
        (assignment,) = [each for each in office.delivered(agent) if each.kind == "task_ready"]
        office.receive(agent, assignment, DeliveryState.WRITTEN, DeliveryState.ACCEPTED)
        assert updates(office) == ([] if agent == "coder" else [("A", "in_progress")])
        office.receive(agent, assignment, DeliveryState.STARTED)
        assert updates(office) == [("A", "in_progress")]


def test_the_backend_hears_when_a_blocked_subtask_goes_on(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    office.end_turn("coder")
    office.ask(ReportBlocked, agent="coder", way="gateway", reason="which database?", subtask_id="A")
    office.end_turn("coder")
    assert updates(office) == [("A", "in_progress")]
    # When a person answers, or has it tried again
    office.ask(SendMessage, agent="coder", text="MySQL", sender="person", source="person")
    assert updates(office) == [("A", "in_progress"), ("A", "in_progress")]
    office.ask(ReportBlocked, agent="coder", way="gateway", reason="which version?", subtask_id="A")
    office.ask(RetrySubtask, subtask_id="A")
    assert updates(office) == [("A", "in_progress")] * 3
    # And its echo changes nothing
    office.update("A", status="in_progress", seq=7)
    assert office.node("A").hold is None


def test_an_agent_can_only_report_on_what_is_its_own(office: Office) -> None:
    office.up("coder", "thief")
    office.create("A", "coder")
    done = Completion(summary="mine now")
    answer = office.ask(ReportCompletion, agent="thief", way="gateway", completion=done, subtask_id="A")
    assert (answer.ok, office.node("A").state) == (False, "ready")
    assert "not yours" in answer.text
    answer = office.ask(ReportCompletion, agent="coder", way="gateway", completion=done, subtask_id="nothing")
    assert not answer.ok
    answer = office.ask(ReportCompletion, agent="nobody", way="gateway", completion=done)
    assert not answer.ok


def test_a_silent_end_of_a_turn_is_reminded_twice_and_then_unfinished(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    office.create("B", "coder")
    office.end_turn("coder", text="I have had a look.")
    office.end_turn("coder", text="Hm.")
    assert office.kinds("coder") == ["task_ready A", "reminder A", "reminder A"]
    office.end_turn("coder", text="Hm.", error="the API is down")
    # Then it is unfinished, and the agent goes on with its next subtask
    assert office.node("A").state == "unfinished"
    assert "the API is down" in office.node("A").reason
    assert office.kinds("coder")[-1] == "task_ready B"


def test_a_completed_subtask_is_never_reminded_of(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    office.report("coder")
    office.end_turn("coder")
    assert office.kinds("coder") == ["task_ready A"]


COMPLETED = (
    "All good.\n\nTASK_COMPLETE",
    "All done: five tables.\n\nTASK_COMPLETE\n",
    "All good.\r\n**TASK_COMPLETE**\r\n",
    "Schema is in place.\n✅ Task completed",
    "✅ Task completed.",
    "I was BLOCKED, but not any more.\n\nTASK_COMPLETE",
    "```sh\nmake\n```\nTASK_COMPLETE",
    '{"status": "success", "completion_summary": "Five tables"}',
    '\n```json\n{"status": "success", "completion_summary": "Five tables"}\n```\n',
    '~~~\n{"status":"success"}\n~~~',
)
BLOCKED = (
    "I have tried three ways.\n\nBLOCKED: which database is it?",
    "**BLOCKED:** which database is it?",
    "human_intervention_needed",
    "TASK_COMPLETE? No.\nBLOCKED: no disk",
    '{"status": "blocked", "reason": "which database is it?"}',
)
NEITHER = (
    "Three tests fail, so I can't say TASK_COMPLETE.",
    "All good. TASK_COMPLETE",
    "Not yet: TASK_COMPLETE",
    "TASK_COMPLETE?",
    "TASK_COMPLETE: when the tests pass",
    'The endpoint answers {"status": "success"} now, but two tests still fail. Which of them matters?',
    '{"status": "success"}\n\nis what the endpoint answers.',
    '{"answer": {"status": "success"}}',
    '[{"status": "success"}]',
    "> TASK_COMPLETE\n\nis what the other agent wrote; I have not started.",
    "The other agent wrote:\n> TASK_COMPLETE",
    "- ✅ Task completed: schema\n- ❌ Task open: migration (fails)",
    "- ✅ Task completed",
    "BLOCKED threads are what the profiler shows; I go on fixing.",
    "The enum has OPEN and BLOCKED.",
    "You asked me to finish with\n```\nTASK_COMPLETE\n```\nbut the build is red, so not yet.",
    "You asked me to finish with\n```\nTASK_COMPLETE\n```",
    "You asked me to finish with\n~~~text\n```\nTASK_COMPLETE",
    "You asked me to finish with `TASK_COMPLETE`",
    "It has to end with\n\n    TASK_COMPLETE",
    "It has to end with\n\n\tTASK_COMPLETE",
    'Nothing is done yet. When it is, I will write {"status": "success", "completion_summary": "..."} into the file.',
    "UNBLOCKED, and TASK_COMPLETED is a column",
    "UNBLOCKED",
    "TASK_COMPLETED",
    "nothing of the kind",
    "",
)


@pytest.mark.parametrize(
    ("text", "state"),
    [
        *((text, "completed") for text in COMPLETED),
        *((text, "blocked") for text in BLOCKED),
        *((text, "working") for text in NEITHER),
    ],
)
def test_a_marker_is_a_statement_and_not_a_mention(office: Office, text: str, state: str) -> None:
    office.up("coder")
    office.create("A", "coder")
    office.end_turn("coder", text=text)
    assert office.node("A").state == state


@pytest.mark.parametrize("fence", ["", "```json\n%s\n```"])
def test_json_as_the_last_answer_is_a_whole_result(office: Office, fence: str) -> None:
    office.up("coder")
    office.create("A", "coder")
    answer = (
        '{"status": "done", "completion_summary": "Five", "insights_found": "a", "files_modified": ["b"]}'
    )
    office.end_turn("coder", text=fence % answer if fence else answer)
    node = office.node("A")
    assert (node.summary, node.insights, node.files) == ("Five", ("a",), ("b",))


def test_a_marker_s_account_is_the_whole_answer(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    office.end_turn("coder", text="Five tables.\n\nTASK_COMPLETE")
    assert office.node("A").summary == "Five tables.\n\nTASK_COMPLETE"


def test_markers_in_what_is_sent_to_an_agent_do_not_count(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder", details="When done say TASK_COMPLETE")
    office.message("coder", "TASK_COMPLETE ✅ Task completed")
    office.end_turn("coder", text="I am still at it.")
    assert office.node("A").state == "working"


def test_a_result_file_that_is_there_when_the_turn_ends_counts_before_any_reminder(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    completion = Completion(summary="from the file")
    office.results["A"] = ReportCompletion(agent="coder", way="file", completion=completion, subtask_id="A")
    office.end_turn("coder")
    assert office.node("A").summary == "from the file"
    assert office.node("A").by == "coder"
    assert office.kinds("coder") == ["task_ready A"]


def _file(agent: str | None, subtask_id: str, written_at: float, reason: str | None = None) -> SubtaskReport:
    """Return the report of a result file."""
    values: dict[str, Any] = {
        "agent": agent,
        "way": "file",
        "subtask_id": subtask_id,
        "written_at": written_at,
    }
    return ReportBlocked(reason=reason, **values) if reason else ReportCompletion(completion=DONE, **values)


DONE = Completion(summary="done")
REPORTS = {
    "a tool's completion": ReportCompletion(agent="b", way="gateway", completion=DONE, subtask_id="B"),
    "a tool's block": ReportBlocked(agent="b", way="gateway", reason="r", subtask_id="B"),
    "a file's completion": _file("b", "B", 2e9),
    "a file's block": _file("b", "B", 2e9, "r"),
    "a person's file": _file(None, "B", 2e9),
    "a marker": ReportCompletion(agent="b", way="marker", completion=DONE, subtask_id="B"),
}


@pytest.mark.parametrize("what", REPORTS)
def test_nobody_reports_on_a_subtask_that_waits(office: Office, what: str) -> None:
    office.up("a", "b")
    office.create("A", "a")
    office.create("B", "b", "A")
    office.create("C", "c", "B")
    office.tell(REPORTS[what])
    assert (office.node("B").state, office.node("C").state) == ("waiting", "waiting")
    # And: it is said why, once, however often it comes; the backend may still complete it
    for _ in range(2):
        office.tell(REPORTS[what])
    if REPORTS[what].way == "file":
        assert office.history()["input.rejected"] == 1
    answer = office.ask(ReportCompletion, agent="b", way="gateway", completion=DONE, subtask_id="B")
    assert "waits for A" in answer.text
    office.complete("B")
    assert office.node("B").state == "completed"


@pytest.mark.parametrize("reason", [None, "stuck"])
def test_nobody_reports_on_another_agents_subtask_by_a_file(office: Office, reason: str | None) -> None:
    office.up("coder", "thief")
    office.create("A", "coder")
    office.tell(_file("thief", "A", 2e9, reason))
    assert office.node("A").state == "ready"
    assert office.history()["input.rejected"] == 1


def test_a_persons_file_is_attributed_to_the_file(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    office.create("B", "coder")
    office.tell(_file(None, "A", 2e9), _file(None, "B", 2e9, "no disk"))
    assert (office.node("A").state, office.node("A").by) == ("completed", "file")
    assert (office.node("B").state, office.node("B").reason) == ("blocked", "a file says: no disk")
    assert office.parts.journal.execute(
        "SELECT DISTINCT source FROM events WHERE kind = 'subtask.completed'"
    ).fetchall() == [("person",)]
    # And its agent, which didn't say so, is told
    assert office.kinds("coder") == ["task_ready A", "subtask_closed A"]


def test_a_file_from_before_the_release_does_not_count(office: Office) -> None:
    office.up("a", "b")
    office.create("A", "a")
    office.create("B", "b", "A")
    early = office.now
    office.report("a")
    office.tell(_file("b", "B", early))
    assert office.node("B").state != "completed"
    office.tell(_file("b", "B", office.now))
    assert office.node("B").state == "completed"


def test_a_file_that_does_not_count_hides_no_marker(office: Office) -> None:
    office.up("coder")
    early = office.now
    office.create("A", "coder")
    office.results["A"] = ReportBlocked(
        agent="coder", way="file", subtask_id="A", written_at=early - 1, reason="of last week"
    )
    office.end_turn("coder", text="It is done.\n\nTASK_COMPLETE")
    assert (office.node("A").state, office.node("A").by) == ("completed", "coder")


def test_a_block_by_a_file_that_was_answered_does_not_come_back(tmp_path: Path) -> None:
    office = Office(tmp_path, on_disk=True)
    office.up("coder")
    office.create("A", "coder")
    file = _file("coder", "A", office.now, "stuck")
    office.tell(file)
    assert office.node("A").state == "blocked"
    office.ask(RetrySubtask, subtask_id="A")
    office.restart()
    office.tell(file)
    assert office.node("A").state != "blocked"
    assert office.history()["input.rejected"] == 0
    office.close()


def test_a_result_file_about_an_unknown_subtask_is_kept_as_rejected(office: Office) -> None:
    office.tell(ReportCompletion(agent=None, way="file", completion=Completion(), subtask_id="X"))
    assert office.history()["input.rejected"] == 1


def test_a_blocked_agent_is_noted_published_and_goes_on_when_somebody_answers(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    office.create("B", "coder")
    answer = office.ask(ReportBlocked, agent="coder", way="gateway", reason="I lack the database password")
    assert answer.ok
    assert office.node("A").state == "blocked"
    office.backend_opens()
    assert office.published()[0].payload == {
        "agent": "coder",
        "subtask_id": "A",
        "reason": "I lack the database password",
    }
    # When a person answers before its turn has ended, it has the subtask in hand again
    office.ask(SendMessage, agent="coder", text="It is in .env", sender="person", source="person")
    assert office.node("A").state == "ready"
    assert office.kinds("coder") == ["task_ready A", "message"]
    office.end_turn("coder")
    assert office.kinds("coder")[-1] == "reminder A"


def test_a_blocked_agent_that_nobody_answers_takes_its_next_subtask(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    office.create("B", "coder")
    office.ask(ReportBlocked, agent="coder", way="gateway", reason="stuck")
    office.end_turn("coder")
    assert office.kinds("coder") == ["task_ready A", "task_ready B"]


def test_a_refused_tool_blocks_the_subtask_and_what_would_allow_it_is_said(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    office.end_turn("coder", denied=(Refusal(tool="Bash", input="npm test"),) * 2)
    assert office.node("A").state == "blocked"
    assert office.node("A").reason == (
        "claude was refused Bash: `npm test`; allow it with `allowed_tools: Bash(npm test:*)` in prompts/coder.md"
    )


def test_an_agent_without_a_prompt_is_a_clear_agent_blocked(office: Office) -> None:
    office.create("A", "stranger")
    office.tell(
        SessionReady(agent="stranger"),
        SessionChanged(
            agent="stranger", state=SessionState.BLOCKED, detail="there is no prompt for stranger"
        ),
    )
    office.backend_opens()
    assert [(each.event_type, each.payload["reason"]) for each in office.published()] == [
        ("agent.blocked", "there is no prompt for stranger")
    ]
    # Once it is mended, starting it brings the subtask back
    office.ask(StartSession, agent="stranger")
    office.up("stranger")
    assert office.node("A").state in ("ready", "working")
    assert office.kinds("stranger") == ["task_ready A"]


def test_a_dead_delivery_blocks_its_subtask(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    (delivery,) = office.delivered()
    step = DeliveryStep(delivery_id=delivery.id, state=DeliveryState.DEAD, reason="no receipt")
    office.tell(Progressed(agent="coder", steps=(step,)))
    assert office.node("A").state == "blocked"
    assert "no receipt" in office.node("A").reason


def test_my_subtask_tells_details_and_upstream_results(office: Office) -> None:
    office.up("a", "b")
    office.create("A", "a")
    office.create("B", "b", "A", details="Build on it.")
    office.report("a", "five tables", insights=("UUIDs",))
    answer = office.ask(DescribeSubtask, agent="b")
    assert answer.data is not None
    assert answer.data["details"] == "Build on it."
    assert answer.data["upstreams"][0]["completion_summary"] == "five tables"
    assert office.ask(DescribeSubtask, agent="nobody").data is None


def _page(office: Office) -> FeedPage:
    """Return the page that the work directory is sent when it asks."""
    office.parts.feed.ask(FeedRequest(subscriber=WORKDIR, events=0, states=True))
    ((_, page),) = office.parts.feed.pages()
    return page


def test_shared_knowledge_is_journaled_and_mirrored(office: Office) -> None:
    answer = office.ask(ShareKnowledge, agent="a", topic="style", text="tabs")
    assert answer.ok
    assert _page(office).knowledge == [{"at": office.now, "agent": "a", "topic": "style", "text": "tabs"}]
    # Where it is too much for one file, the newest is there
    for number in range(20):
        office.ask(ShareKnowledge, agent="a", topic=f"t{number}", text="x" * (KNOWLEDGE_SIZE // 5))
    knowledge = _page(office).knowledge
    assert knowledge is not None
    assert [each["topic"] for each in knowledge] == ["t14", "t15", "t16", "t17", "t18", "t19"]


def test_late_and_repeated_receipts_change_nothing(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    (delivery,) = office.delivered()
    office.receive("coder", delivery, DeliveryState.STARTED, DeliveryState.ACCEPTED, DeliveryState.WRITTEN)
    office.receive("coder", delivery, DeliveryState.COMPLETED, DeliveryState.STARTED)
    rows = office.parts.journal.execute("SELECT state FROM deliveries").fetchall()
    assert rows == [("completed",)]


def kill(office: Office) -> str:
    """Make a dead letter of the first assignment; return its id."""
    office.up("coder")
    office.create("A", "coder")
    (delivery,) = office.delivered()
    step = DeliveryStep(delivery_id=delivery.id, state=DeliveryState.DEAD, reason="no receipt")
    office.tell(Progressed(agent="coder", steps=(step,)))
    return delivery.id


def test_a_dead_letter_can_be_retried_under_its_own_id(office: Office) -> None:
    dead = kill(office)
    office.told.clear()
    assert office.ask(RetryDelivery, delivery_id=dead).ok
    (again,) = office.delivered("coder")
    assert (again.id, again.attempts, office.node("A").state) == (dead, 1, "ready")
    assert not office.ask(RetryDelivery, delivery_id=dead).ok
    assert office.report("coder").ok


def test_a_dead_letter_can_be_dropped_and_stays_in_the_journal(office: Office) -> None:
    dead = kill(office)
    assert office.ask(DropDelivery, delivery_id=dead).ok
    assert not office.ask(DropDelivery, delivery_id=dead).ok
    assert not office.ask(RetryDelivery, delivery_id=dead).ok
    rows = office.parts.journal.execute("SELECT state, reason FROM deliveries").fetchall()
    assert rows == [("dead", "no receipt")]


def test_what_was_withdrawn_before_anybody_had_it_is_no_dead_letter(office: Office) -> None:
    office.create("A", "coder")
    office.complete("A")
    ((delivery_id,),) = office.parts.journal.execute(
        "SELECT id FROM deliveries WHERE state = 'withdrawn'"
    ).fetchall()
    assert not office.ask(RetryDelivery, delivery_id=delivery_id).ok


def test_a_report_without_an_id_is_for_the_subtask_in_hand_where_only_that_can_be_meant(
    office: Office,
) -> None:
    office.up("coder")
    office.create("A", "coder")
    office.receive("coder", office.delivered("coder")[0], DeliveryState.STARTED, DeliveryState.COMPLETED)
    office.ask(ReportBlocked, agent="coder", way="gateway", reason="which database?")
    office.create("B", "coder")
    assert office.kinds("coder")[-1] == "task_ready B"
    # A is held, and something of it may still run: its end must not complete B
    done = Completion(summary="the build of A is done")
    answer = office.ask(ReportCompletion, agent="coder", way="gateway", completion=done)
    assert not answer.ok
    assert "You have B in hand, and A is not over either" in answer.text
    assert office.node("B").state != "completed"
    assert office.ask(
        ReportCompletion, agent="coder", way="gateway", completion=Completion(summary="b"), subtask_id="B"
    ).ok
