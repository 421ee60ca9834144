"""Tests of the verdict, with each kind of fault in an otherwise clean run."""

import dataclasses
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tools.chaos.evidence import Evidence, Received
from tools.chaos.people import Given
from tools.chaos.plans import PlannedWorkflow, Step
from tools.chaos.verdict import judge, judge_model

A, B = Step("a", ("one",), ()), Step("b", ("two",), ("a",))
GIVEN = Given([PlannedWorkflow("w", (A, B))], certain={"Note 1.": "two"}, perhaps={"Note 2.": "two"})


def delivery(
    number: int, agent: str, kind: str, subtask: str | None, text: str, **more: Any
) -> dict[str, Any]:
    row = {
        "number": number, "id": f"d{number}", "agent": agent, "kind": kind, "subtask_id": subtask, "text": text,
        "state": "completed", "reason": None, "queued_at": float(number), "handed_at": float(number),
        "completed_at": number + 0.5, "attempts": 1,
    }  # fmt: skip
    return row | more


def event(kind: str, subject: str | None, key: str, **document: Any) -> dict[str, Any]:
    row = {"kind": kind, "subject": subject, "agent": None, "key": key, "at": 2.2}
    return row | {"document": json.dumps(document)}


def told(key: str, seq: int, kind: str, **payload: Any) -> dict[str, Any]:
    return {"id": key, "seq": seq, "event_type": kind, "payload": payload}


def clean() -> Evidence:
    """Return the evidence of a clean run: a, then b, which was renamed meanwhile, and a message."""
    result = f"Result of subtask a:\n> Title: Step a\n> Summary:\n> {A.summary}\n"
    deliveries = [
        delivery(1, "one", "task_ready", "a", "Title: Step a"),
        delivery(2, "two", "dependency_completed", "b", f"> Title: Step b, change 1.\n{result}"),
        delivery(3, "two", "message", None, "From somebody:\n> Note 1."),
    ]
    nodes = {step.id: {"status": "completed", "summary": step.summary} for step in (A, B)}
    done = {"status": "done", "completion_summary": ""}
    return Evidence(
        deliveries=deliveries,
        events=[
            event("subtask.updated", "b", "k0", title="Step b, change 1."),
            event("agent.message", None, "k3"),
            event("subtask.completed", "a", "k1"),
            event("subtask.completed", "b", "k2"),
            event("task.completed", "w", "k4"),
        ],
        publications=[
            {"key": key, "event_type": "subtask.completed", "state": "published", "reason": None}
            for key in ("k1", "k2")
        ],
        nodes=nodes,
        told=[
            told("k0", 1, "subtask.updated", id="b"),
            told("k3", 2, "agent.message", message="Note 1."),
            told("k1", 3, "subtask.completed", id="a"),
            told("k2", 4, "subtask.completed", id="b"),
            told("k4", 5, "task.completed", id="w"),
        ],
        items={"a": done | {"completion_summary": A.summary}, "b": done | {"completion_summary": B.summary}},
        received=[Received(each["agent"], each["id"], each["text"]) for each in deliveries],
        cleaned=[],
        continued=0,
        sound="ok",
        rejected=Counter(),
    )


def test_a_clean_run_has_no_findings() -> None:
    assert judge(GIVEN, clean()) == []


Spoil = Callable[[Evidence], object]


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("lost", lambda found: found.received.pop()),
        ("doubled", lambda found: found.received.append(found.received[-1])),
        ("reordered", lambda found: found.received.reverse()),
        ("wrong", lambda found: found.received.append(Received("one", "d9", "from nowhere"))),
        ("wrong", lambda found: found.received.__setitem__(0, found.received[0]._replace(text="another"))),
        ("wrong", lambda found: found.received.__setitem__(0, found.received[0]._replace(agent="two"))),
        ("lost", lambda found: found.deliveries[0].update(state="accepted")),
        ("lost", lambda found: found.deliveries[0].update(state="dead", reason="no receipt from claude")),
        ("lost", lambda found: found.deliveries.pop(0)),
        ("doubled", lambda found: found.deliveries.append(found.deliveries[0] | {"id": "d4"})),
        ("wrong", lambda found: found.deliveries[1].update(text="> Title: Step b, change 1.")),
        ("lost", lambda found: found.deliveries[1].update(text="> Title: Step b")),
        ("doubled", lambda found: found.deliveries.append(found.deliveries[2] | {"id": "d4"})),
        ("lost", lambda found: found.nodes["b"].update(status="open")),
        ("wrong", lambda found: found.nodes["b"].update(summary="another")),
        ("lost", lambda found: found.items["b"].update(status="todo")),
        ("wrong", lambda found: found.items["b"].update(completion_summary="another")),
        ("lost", lambda found: found.events.pop(0)),
        ("doubled", lambda found: found.events.append(found.events[2] | {"key": "k9"})),
        ("doubled", lambda found: found.told.append(found.told[2] | {"id": "k9"})),
        ("lost", lambda found: found.told.pop()),
        ("lost", lambda found: found.told.pop(2)),
        ("lost", lambda found: found.publications[0].update(state="waiting")),
        ("lost", lambda found: found.publications[0].update(state="refused", reason="why")),
        ("wrong", lambda found: found.rejected.update(["socket"])),
    ],
)
def test_what_is_amiss_is_found(kind: str, spoil: Spoil) -> None:
    found = clean()
    spoil(found)
    assert kind in {finding.kind for finding in judge(GIVEN, found)}


def test_a_damaged_journal_is_found() -> None:
    found = dataclasses.replace(clean(), sound="row 1 missing from index")
    assert [finding.kind for finding in judge(GIVEN, found)] == ["wrong"]


def test_a_message_of_which_nothing_was_said_may_be_missing_but_not_double() -> None:
    found = clean()
    found.deliveries.append(delivery(4, "two", "message", None, "> Note 2."))
    found.received.append(Received("two", "d4", "> Note 2."))
    assert judge(GIVEN, found) == []
    found.deliveries.append(delivery(5, "two", "message", None, "> Note 2."))
    assert "doubled" in {finding.kind for finding in judge(GIVEN, found)}


def test_a_context_may_be_withdrawn_and_then_not_received_but_not_dead() -> None:
    found = clean()
    withdrawn = {"state": "withdrawn", "reason": "it was completed by one", "handed_at": None}
    found.deliveries.append(delivery(4, "one", "task_ready", "b", "", **withdrawn))
    assert judge(GIVEN, found) == []
    found.received.append(Received("one", "d4", ""))
    assert "wrong" in {finding.kind for finding in judge(GIVEN, found)}
    found.received.pop()
    for handed_at in (None, 4.0):
        found.deliveries[-1].update(state="dead", handed_at=handed_at)
        assert [finding.kind for finding in judge(GIVEN, found)] == ["lost"]


def cleaned(at: float) -> Evidence:
    """Return the evidence of a run in which the transcript of ``two`` was cleaned away at this time."""
    return dataclasses.replace(clean(), cleaned=[("two", at)])


def test_what_was_not_over_is_received_again_once_after_its_conversation_was_cleaned_away() -> None:
    found = cleaned(2.4)  # the delivery was completed at 2.5
    found.received[2:] = [each._replace(part=1) for each in found.received[1:]]
    assert judge(GIVEN, found) == []
    found.received.append(found.received[-1])
    assert [finding.kind for finding in judge(GIVEN, found)] == ["doubled"]


def test_what_was_over_is_not_received_again_though_its_conversation_was_cleaned_away() -> None:
    found = cleaned(2.6)
    found.received[2:] = [each._replace(part=1) for each in found.received[1:]]
    assert [finding.kind for finding in judge(GIVEN, found)] == ["doubled"]


@pytest.mark.parametrize(
    ("at", "kinds"), [(2.6, []), (1.9, ["doubled"]), (4.1, ["doubled"])], ids=["between", "before", "after"]
)
def test_a_subtask_is_given_again_only_where_its_conversation_was_cleaned_away(
    at: float, kinds: list[str]
) -> None:
    found = cleaned(at)
    found.deliveries.append(
        found.deliveries[1] | {"number": 4, "id": "d4", "queued_at": 4.0, "handed_at": 4.0}
    )
    found.received[2:] = [each._replace(part=1) for each in found.received[2:]]
    found.received.append(Received("two", "d4", found.deliveries[-1]["text"], part=1))
    if at < 2:  # everything came after it
        found.received[:] = [each._replace(part=int(each.agent == "two")) for each in found.received]
    assert [finding.kind for finding in judge(GIVEN, found)] == kinds


@pytest.mark.parametrize(("about", "kinds"), [("b", []), ("a", ["doubled"])], ids=["the subtask", "another"])
def test_a_subtask_is_given_again_only_where_it_was_held_and_resumed(about: str, kinds: list[str]) -> None:
    found = clean()
    found.events.append(event("subtask.resumed", about, "k9"))  # at 2.2
    found.deliveries.append(
        found.deliveries[1] | {"number": 4, "id": "d4", "queued_at": 4.0, "handed_at": 4.0}
    )
    found.received.append(Received("two", "d4", found.deliveries[-1]["text"]))
    assert [finding.kind for finding in judge(GIVEN, found)] == kinds


@pytest.mark.parametrize(("since", "kinds"), [(2.1, []), (2.3, ["lost"])], ids=["before", "afterwards"])
def test_a_change_is_told_by_an_assignment_that_waits_until_the_subtask_is_completed(
    since: float, kinds: list[str]
) -> None:
    found = clean()
    found.deliveries[1].update(text=found.deliveries[1]["text"].replace(", change 1.", ""))
    found.received[1] = found.received[1]._replace(text=found.deliveries[1]["text"])
    withdrawn = {"state": "withdrawn", "queued_at": since, "handed_at": None, "completed_at": 2.4}
    found.deliveries.append(delivery(4, "two", "task_ready", "b", "", **withdrawn))
    assert [finding.kind for finding in judge(GIVEN, found)] == kinds


def test_the_cleaning_of_one_agents_transcript_excuses_no_other() -> None:
    found = dataclasses.replace(clean(), cleaned=[("one", 2.6)])
    found.deliveries.append(
        found.deliveries[1] | {"number": 4, "id": "d4", "queued_at": 4.0, "handed_at": 4.0}
    )
    found.received.append(Received("two", "d4", found.deliveries[-1]["text"]))
    assert [finding.kind for finding in judge(GIVEN, found)] == ["doubled"]


def test_what_was_withdrawn_may_have_been_received_only_in_what_was_cleaned_away() -> None:
    found = cleaned(3.9)
    withdrawn = {"state": "withdrawn", "reason": "it was completed by one", "completed_at": None}
    found.deliveries.append(delivery(4, "two", "task_ready", "a", "", **withdrawn))
    found.received.append(Received("two", "d4", ""))
    assert judge(GIVEN, found) == []
    found.received[-1] = found.received[-1]._replace(part=1)
    assert [finding.kind for finding in judge(GIVEN, found)] == ["wrong"]


def test_what_the_model_was_told_is_compared_too() -> None:
    texts = [
        f"[coordinator delivery=d{number} kind=x]\n> [coordinator delivery=d1 kind=x]" for number in (1, 2, 3)
    ]
    assert judge_model(clean(), texts) == []
    assert [finding.kind for finding in judge_model(clean(), [*texts[1:], texts[1]])] == ["lost", "doubled"]
