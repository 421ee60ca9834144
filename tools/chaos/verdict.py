"""The verdict: a comparison of the evidence with the work given out. Each difference is a finding."""

import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Literal, NamedTuple

from tools.chaos.evidence import Evidence, Received, Row
from tools.chaos.people import Given
from tools.chaos.plans import Step

Kind = Literal["lost", "doubled", "reordered", "wrong"]
KINDS: tuple[Kind, ...] = ("lost", "doubled", "reordered", "wrong")
TOLD = re.compile(r"^\[coordinator delivery=([0-9a-z-]+)", re.MULTILINE)
ASSIGNING = ("task_ready", "dependency_completed")


class Finding(NamedTuple):
    """A difference between the expected and the actual result."""

    kind: Kind
    text: str


def judge(given: Given, found: Evidence) -> list[Finding]:
    """Return all differences."""
    checks: list[Callable[[Given, Evidence], Iterator[Finding]]] = [
        _deliveries,
        _strangers,
        _order,
        _subtasks,
        _tasks,
        _contexts,
        _changes,
        _incoming,
        _messages,
        _publications,
        _file,
    ]
    return [finding for check in checks for finding in check(given, found)]


def judge_model(found: Evidence, texts: list[str]) -> list[Finding]:
    """Check that the model got every finished delivery exactly once; ``texts`` are all user texts that it got."""
    told = Counter(TOLD.findall("\n".join(texts)))
    return [
        Finding(
            "doubled" if told[each["id"]] else "lost",
            f"the model got {each['id']} {told[each['id']]} times",
        )
        for each in found.deliveries
        if each["state"] == "completed" and told[each["id"]] != 1
    ]


def _deliveries(_given: Given, found: Evidence) -> Iterator[Finding]:
    """Check that every delivery that wasn't withdrawn was received once, by its agent, unchanged."""
    received: dict[str, list[Received]] = defaultdict(list)
    for each in found.received:
        received[each.id].append(each)
    for delivery in found.deliveries:
        what = f"delivery {delivery['id']} ({delivery['kind']} for {delivery['agent']}, {delivery['state']})"
        copies = received[delivery["id"]]
        known = [copy for copy in copies if _is_kept(copy, delivery, found)]
        if len(known) > 1 or len({copy.part for copy in copies}) < len(copies):
            yield Finding("doubled", f"{what} was received {len(copies)} times")
        yield from _outcome(what, delivery, copies, known)
        for copy in copies:
            if (copy.agent, copy.text) != (delivery["agent"], delivery["text"]):
                yield Finding("wrong", f"{what} was received by {copy.agent} as {copy.text[:200]!r}")


def _is_kept(copy: Received, delivery: Row, found: Evidence) -> bool:
    """Tell whether a copy counts, unlike one whose conversation was cleaned away before the delivery was over."""
    cleaned = [at for agent, at in found.cleaned if agent == copy.agent]
    over = delivery["completed_at"]
    return copy.part == len(cleaned) or (over is not None and over <= cleaned[copy.part])


def _outcome(what: str, delivery: Row, copies: list[Received], known: list[Received]) -> Iterator[Finding]:
    match delivery["state"]:
        case "completed":
            if not copies:
                yield Finding("lost", f"{what} was never received")
        case "withdrawn":
            if known:
                yield Finding("wrong", f"{what} was received")
        case "dead":
            yield Finding("lost", f"{what}: {delivery['reason']}")
        case _:
            yield Finding("lost", f"{what} was never finished")


def _strangers(_given: Given, found: Evidence) -> Iterator[Finding]:
    known = {delivery["id"] for delivery in found.deliveries}
    for each in found.received:
        if each.id not in known:
            yield Finding("wrong", f"{each.agent} received {each.id}, which the journal doesn't know")


def _order(_given: Given, found: Evidence) -> Iterator[Finding]:
    """Check that each conversation received its deliveries in the order in which the router handed them over."""
    handed = {each["id"]: (each["handed_at"] or 0.0, each["number"]) for each in found.deliveries}
    last: dict[tuple[str, int], Received] = {}
    for each in found.received:
        before = last.get((each.agent, each.part))
        if before is not None and handed.get(before.id, (0.0, 0)) > handed.get(each.id, (0.0, 0)):
            yield Finding("reordered", f"{each.agent} received {before.id} before {each.id}")
        last[each.agent, each.part] = each


def _subtasks(given: Given, found: Evidence) -> Iterator[Finding]:
    """Check that every subtask is done in both databases, with the expected result, completed only once."""
    here = Counter(each["subject"] for each in found.events if each["kind"] == "subtask.completed")
    there = _completed(found, "subtask")
    for step in given.steps.values():
        node, item = found.nodes.get(step.id, {}), found.items.get(step.id, {})
        if node.get("status") != "completed":
            hold = f"; {node['hold']}: {node.get('reason')}" if node.get("hold") else ""
            yield Finding(
                "lost", f"subtask {step.id} is {node.get('status', 'missing')} in the journal{hold}"
            )
        if item.get("status") != "done":
            yield Finding("lost", f"subtask {step.id} is {item.get('status', 'missing')} in the backend")
        for name, summary in (("journal", node.get("summary")), ("backend", item.get("completion_summary"))):
            if summary and summary not in _endings(step, found):
                yield Finding("wrong", f"subtask {step.id} has the result {summary[:200]!r} in the {name}")
        for name, times in (("journal", here[step.id]), ("backend", there[step.id])):
            if times > 1:
                yield Finding("doubled", f"subtask {step.id} was completed {times} times in the {name}")


def _endings(step: Step, found: Evidence) -> list[str]:
    """Return the possible results of a subtask: the planned one, or the stand-in's answer to a reminder."""
    reminded = any(each["kind"] == "reminder" and each["subtask_id"] == step.id for each in found.deliveries)
    return [step.summary, f"(simulated) Done: {step.id}"] if reminded else [step.summary]


def _tasks(given: Given, found: Evidence) -> Iterator[Finding]:
    there = _completed(found, "task")
    for workflow in given.workflows:
        if there[workflow.id] != 1:
            kind: Kind = "doubled" if there[workflow.id] else "lost"
            yield Finding(kind, f"task {workflow.id} was completed {there[workflow.id]} times in the backend")


def _completed(found: Evidence, entity: str) -> Counter[str]:
    kind = f"{entity}.completed"
    return Counter(event["payload"]["id"] for event in found.told if event["event_type"] == kind)


def _contexts(given: Given, found: Evidence) -> Iterator[Finding]:
    """Check that each subtask was assigned once to each right agent, with the results of all upstreams."""
    assignments: dict[str, list[Row]] = defaultdict(list)
    for delivery in found.deliveries:
        if delivery["kind"] in ASSIGNING and delivery["state"] not in ("withdrawn", "dead"):
            assignments[delivery["subtask_id"]].append(delivery)
    for step in given.steps.values():
        by_agent: dict[str, list[Row]] = defaultdict(list)
        for each in assignments[step.id]:
            by_agent[each["agent"]].append(each)
        if not by_agent:
            yield Finding("lost", f"subtask {step.id} was never assigned")
        for agent, given_to in by_agent.items():
            if not all(_is_due_again(*each, found) for each in pairwise(given_to)):
                yield Finding("doubled", f"subtask {step.id} was assigned to {agent} {len(given_to)} times")
            if agent not in step.agents:
                yield Finding("wrong", f"subtask {step.id} was assigned to {agent}")
        for delivery in assignments[step.id]:
            yield from _upstreams(step, delivery, found)


def _is_due_again(before: Row, after: Row, found: Evidence) -> bool:
    """Tell whether there was a reason to give a subtask again after it was given.

    The agent's conversation was cleaned away, or the subtask was held and then resumed: by then the agent may have had
    another one in hand.
    """
    handed = before["handed_at"] or math.inf
    cleaned = [at for agent, at in found.cleaned if agent == after["agent"]]
    resumed = [event["at"] for event in found.events if _is(event, "subtask.resumed", after["subtask_id"])]
    return any(handed <= at <= after["queued_at"] for at in (*cleaned, *resumed))


def _is(event: Row, kind: str, subject: str) -> bool:
    return bool(event["kind"] == kind and event["subject"] == subject)


def _upstreams(step: Step, delivery: Row, found: Evidence) -> Iterator[Finding]:
    for upstream in step.upstreams:
        summary = found.nodes.get(upstream, {}).get("summary")
        result = f"Result of subtask {upstream}:"
        if result not in delivery["text"] or f"> {summary}\n" not in delivery["text"]:
            yield Finding("wrong", f"{delivery['agent']} began {step.id} without the result of {upstream}")


def _changes(given: Given, found: Evidence) -> Iterator[Finding]:
    """Check that a subtask's last change before its end was delivered to an agent.

    An assignment tells it too. One that waits has no text yet, and is withdrawn when the agent, who was given the
    subtask before, completes it.
    """
    latest: dict[str, tuple[str, float]] = {}
    over: set[str] = set()
    for event in found.events:
        if event["kind"] == "subtask.completed":
            over.add(event["subject"])
        elif event["kind"] == "subtask.updated" and event["subject"] not in over:
            title = _title(event)
            if title is not None:
                latest[event["subject"]] = title, event["at"]
    about: dict[str, list[Row]] = defaultdict(list)
    for delivery in found.deliveries:
        about[delivery["subtask_id"] or ""].append(delivery)
    for subtask_id, (title, at) in latest.items():
        if subtask_id in given.steps and not any(_tells(each, title, at) for each in about[subtask_id]):
            yield Finding("lost", f"no agent got the new title {title!r} of {subtask_id}")


def _tells(delivery: Row, title: str, at: float) -> bool:
    waited = delivery["kind"] in ASSIGNING and delivery["state"] == "withdrawn"
    if waited and delivery["queued_at"] <= at <= delivery["completed_at"]:
        return True
    return f"Title: {title}\n" in delivery["text"] + "\n"


def _title(event: Row) -> str | None:
    """Return the title in an event, if it is one of the people's changes."""
    title: str | None = json.loads(event["document"]).get("title")
    return title if title and ", change " in title else None


def _incoming(_given: Given, found: Evidence) -> Iterator[Finding]:
    """Check that every event of the backend arrived."""
    known = {event["key"] for event in found.events}
    for event in found.told:
        if event["id"] not in known:
            yield Finding("lost", f"the backend's event {event['seq']} ({event['event_type']}) never arrived")


def _messages(given: Given, found: Evidence) -> Iterator[Finding]:
    """Check that every acknowledged message became one delivery, and any other at most one."""
    contexts: dict[str, list[Row]] = defaultdict(list)
    for delivery in found.deliveries:
        if delivery["kind"] == "message":
            contexts[delivery["text"].rpartition("> ")[2].strip()].append(delivery)
    stored = {event["payload"]["message"] for event in found.told if event["event_type"] == "agent.message"}
    for text, agent in {**given.certain, **given.perhaps}.items():
        copies = contexts[text]
        if not copies and (text in given.certain or text in stored):
            yield Finding("lost", f"the message {text!r} for {agent} became no delivery")
        if len(copies) > 1:
            yield Finding("doubled", f"the message {text!r} for {agent} became {len(copies)} deliveries")
        if any(each["agent"] != agent for each in copies):
            yield Finding("wrong", f"the message {text!r} for {agent} went to another agent")


def _publications(_given: Given, found: Evidence) -> Iterator[Finding]:
    """Check that every publication is in the backend, under its key."""
    keys = Counter(event["id"] for event in found.told)
    for each in found.publications:
        what = f"publication {each['key']} ({each['event_type']})"
        if each["state"] != "published":
            yield Finding("lost", f"{what} is {each['state']}: {each['reason']}")
        elif each["event_type"] == "subtask.updated":
            continue  # where it changes nothing, the backend acknowledges it without an event
        elif not keys[each["key"]]:
            yield Finding("lost", f"{what} counts as published, but is missing in the backend")


def _file(_given: Given, found: Evidence) -> Iterator[Finding]:
    if found.sound != "ok":
        yield Finding("wrong", f"the journal's file is damaged: {found.sound}")
    for origin, count in found.rejected.items():
        yield Finding("wrong", f"{count} inputs from {origin} were rejected")
