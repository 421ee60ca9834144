"""Held subtasks: what ends a hold, and what follows from that."""

import itertools
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from actors.lib.program import command
from actors.protocol.backend import BackendChanged, EventReceived
from actors.protocol.deliveries import DeliveryState, DeliveryStep
from actors.protocol.events import AgentMessage, NodeDeleted, NodeUpdated
from actors.protocol.names import session_name
from actors.protocol.reports import ReportBlocked, RetryDelivery, RetrySubtask, SendMessage, StartSession
from actors.protocol.sessions import Progressed, SessionChanged, SessionReady, SessionState, Unblock
from tests.actors.router.office import Office


def block(office: Office, agent: str = "coder", reason: str = "no password") -> None:
    """Report the agent's subtask in hand as blocked, and end its turn."""
    in_hand = office.parts.lanes.by_agent[agent].in_hand
    assert office.ask(ReportBlocked, agent=agent, way="gateway", reason=reason, subtask_id=in_hand).ok
    office.end_turn(agent)


def block_two(office: Office) -> None:
    """Block the agent on A and then on B, and give it C, so that it has neither in hand."""
    office.up("coder")
    for each in "ABC":
        office.create(each, "coder")
    block(office)
    block(office)
    assert office.kinds("coder") == ["task_ready A", "task_ready B", "task_ready C"]


def die(office: Office, agent: str) -> str:
    """Kill the newest delivery to the agent; return its id."""
    delivery = office.delivered(agent)[-1]
    step = DeliveryStep(delivery_id=delivery.id, state=DeliveryState.DEAD, reason="no receipt")
    office.tell(Progressed(agent=agent, steps=(step,)))
    return delivery.id


# ---------------------------------------------------------------- start and retry


def test_all_that_an_agent_holds_goes_on_when_it_is_started(office: Office) -> None:
    block_two(office)
    answer = office.ask(StartSession, agent="coder")
    assert (answer.ok, answer.text) == (True, "The session of coder starts. It goes on with A, B.")
    # Given again, they wait until it is idle
    assert [office.node(each).state for each in "ABC"] == ["working", "working", "ready"]
    for _ in "CAB":
        assert office.report("coder").ok
        office.end_turn("coder")
    assert office.kinds("coder")[3:] == ["task_ready A", "task_ready B"]
    assert [office.node(each).state for each in "ABC"] == ["completed"] * 3


def test_a_subtask_that_is_in_hand_is_not_given_again(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    for _ in range(3):
        office.end_turn("coder")
    assert office.node("A").state == "unfinished"
    # When a person has it go on, its session is asked, and the agent reminded anew
    office.ask(StartSession, agent="coder")
    assert (session_name("coder"), Unblock()) in office.told
    office.tell(SessionReady(agent="coder"))
    assert office.node("A").state == "working"
    assert office.kinds("coder") == ["task_ready A"] + ["reminder A"] * 3


def test_an_agent_that_holds_nothing_is_said_to(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    answer = office.ask(StartSession, agent="coder")
    assert answer.text == "The session of coder starts. None of its subtasks was held."


def test_one_subtask_can_be_retried_and_the_other_stays_held(office: Office) -> None:
    block_two(office)
    assert office.ask(RetrySubtask, subtask_id="B").text == "Subtask B goes on, with coder."
    office.report("coder")
    office.end_turn("coder")
    assert office.kinds("coder")[3:] == ["task_ready B"]
    assert office.node("A").state == "blocked"
    assert office.history()["subtask.resumed"] == 1


def test_a_subtask_that_nothing_can_be_done_about_is_not_retried(office: Office) -> None:
    office.create("A", "a")
    office.create("B", "b", "A")
    assert office.ask(RetrySubtask, subtask_id="A").text == "Subtask A isn't held: it is ready."
    assert office.ask(RetrySubtask, subtask_id="X").text == "There is no subtask X."
    office.update("A", status="cancelled")
    answer = office.ask(RetrySubtask, subtask_id="B")
    assert (answer.ok, answer.text) == (
        False,
        "Subtask B is held by what it depends on (A → B: A was cancelled); change that.",
    )


def test_a_held_subtask_of_nobody_waits_for_somebody(office: Office) -> None:
    office.create("A")
    office.update("A", status="blocked")
    assert "until somebody is assigned" in office.ask(RetrySubtask, subtask_id="A").text
    office.up("late")
    office.update("A", assignees=("late",))
    assert office.kinds("late") == ["task_ready A"]


def test_what_was_held_over_a_restart_can_be_retried(durable: Office) -> None:
    block_two(durable)
    durable.restart()
    durable.up("coder")
    assert durable.ask(StartSession, agent="coder").text.endswith("It goes on with A, B.")


# ---------------------------------------------------------------- words


def say(office: Office, text: str = "It is in .env") -> str:
    """Send the agent a person's message; return the answer."""
    return office.ask(SendMessage, agent="coder", text=text, sender="person", source="person").text


def test_words_for_an_idle_agent_put_its_only_held_subtask_into_its_hand(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    office.create("B", "coder")
    block(office)
    office.report("coder")
    office.end_turn("coder")
    # Given an agent that did another subtask meanwhile, when a person answers
    assert say(office) == "The message to coder is journaled and on its way."
    assert office.node("A").state == "working"
    assert office.kinds("coder") == ["task_ready A", "task_ready B", "message"]
    assert office.report("coder").ok
    assert office.node("A").state == "completed"


def test_words_that_could_be_about_several_held_subtasks_say_so(office: Office) -> None:
    block_two(office)
    office.report("coder")
    office.end_turn("coder")
    assert say(office).endswith(
        f" It doesn't resume A, B; `{command('retry', 'A')}` or `{command('retry', 'B')}` does."
    )
    assert [office.node(each).state for each in "AB"] == ["blocked", "blocked"]
    # But words about one of them are
    office.end_turn("coder")
    office.tell(EventReceived(event=AgentMessage(agent="coder", text="Try again.", subtask_id="B")))
    assert [office.node(each).state for each in "AB"] == ["blocked", "working"]


def test_words_for_a_busy_agent_leave_what_is_held(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    office.create("B", "coder")
    block(office)
    assert say(office).endswith(f" It doesn't resume A; `{command('retry', 'A')}` does.")
    assert office.node("A").state == "blocked"


def test_words_about_a_subtask_that_never_arrived_give_it_too(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    die(office, "coder")
    say(office)
    office.end_turn("coder")
    assert office.kinds("coder") == ["task_ready A", "message", "task_ready A"]
    assert office.report("coder").ok


def test_words_about_a_held_subtask_that_still_waits_do_not_give_it_twice(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    office.create("B", "coder")
    office.update("B", status="blocked")
    office.report("coder")
    # Given an agent whose turn goes on with nothing in hand
    office.message("coder", "Use port 8001.", subtask_id="B")
    assert office.node("B").state == "ready"
    waiting = office.parts.journal.deliveries.of_subtask("B", "coder")
    assert [delivery.kind.value for _, delivery in waiting] == ["task_ready"]
    office.end_turn("coder")
    assert office.kinds("coder") == ["task_ready A", "message B", "task_ready B"]


# ---------------------------------------------------------------- changes in the backend


def test_an_edit_of_a_held_subtask_gives_it_again_as_it_is_now(office: Office) -> None:
    block_two(office)
    office.update("A", details="The password is in .env")
    assert office.kinds("coder") == ["task_ready A", "task_ready B", "task_ready C"]
    office.report("coder")
    office.end_turn("coder")
    assert office.kinds("coder")[3:] == ["task_ready A"]
    assert "> The password is in .env" in office.delivered("coder")[-1].text
    # And with nothing else to do, at once
    office.report("coder")
    office.end_turn("coder")
    office.update("B", title="Easier")
    assert office.kinds("coder")[4:] == ["task_ready B"]


def test_an_edit_of_a_held_subtask_in_hand_is_told(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    block(office)
    office.update("A", details="The password is in .env")
    assert office.kinds("coder") == ["task_ready A", "subtask_updated A"]
    office.end_turn("coder")
    assert office.kinds("coder")[-1] == "reminder A"


@pytest.mark.parametrize("status", ["todo", "in_progress"])
def test_a_backend_that_takes_blocked_back_has_the_subtask_go_on(office: Office, status: str) -> None:
    block_two(office)
    office.update("A", status="blocked")  # the echo of what was published
    office.update("A", status=status)
    assert [office.node(each).state for each in "AB"] == ["working", "blocked"]
    office.report("coder")
    office.end_turn("coder")
    assert office.kinds("coder")[3:] == ["task_ready A"]


def test_a_backend_that_takes_blocked_back_wakes_the_agent_that_has_it(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    block(office)
    office.update("A", status="blocked")
    office.update("A", status="in_progress")
    assert (session_name("coder"), Unblock()) in office.told
    office.tell(SessionReady(agent="coder"))
    assert office.kinds("coder") == ["task_ready A", "reminder A"]


def test_the_echo_of_having_begun_does_not_answer_anything(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder", status="todo")
    block(office)
    office.update("A", status="in_progress")
    assert office.node("A").state == "blocked"


BLOCKED, TODO, EDITED = {"status": "blocked"}, {"status": "todo"}, {"details": "x"}


@pytest.mark.parametrize(
    ("told", "last"),
    [
        ([BLOCKED, TODO], "ready"),
        ([BLOCKED, TODO, BLOCKED], "blocked"),
        ([BLOCKED, EDITED], "ready"),
        ([EDITED, BLOCKED], "blocked"),
        ([BLOCKED, EDITED, TODO], "ready"),
    ],
)
def test_the_order_of_blocked_and_its_answers_does_not_matter(
    tmp_path: Path, told: list[dict[str, str]], last: str
) -> None:
    head = {"entity": "subtask", "id": "A"}
    events = [NodeUpdated.model_validate(head | each | {"seq": seq}) for seq, each in enumerate(told, 2)]
    for order in itertools.permutations(events):
        office = Office(tmp_path)
        office.create("A", "coder", status="todo", seq=1)
        office.tell(*(EventReceived(event=event) for event in order))
        assert office.node("A").state == last, order
        office.up("coder")
        assert office.kinds("coder") == ([] if last == "blocked" else ["task_ready A"])
        office.close()


# ---------------------------------------------------------------- before it was given


@pytest.fixture
def early(office: Office) -> Office:
    """Block B by the backend while its agents work on other subtasks, then make them idle."""
    office.up("coder", "tester")
    office.create("A", "coder")
    office.create("T", "tester")
    office.create("B", assignees=("coder", "tester"))
    office.create("C", "coder")
    office.update("B", status="blocked")
    for agent in ("coder", "tester"):
        office.report(agent)
        office.end_turn(agent)
    return office


def test_what_is_blocked_before_it_was_given_is_passed_over(early: Office) -> None:
    assert early.kinds("coder") == ["task_ready A", "task_ready C"]
    assert early.kinds("tester") == ["task_ready T"]
    assert early.node("B").state == "blocked"
    assert early.history()["delivery.dead"] == 0, "nothing went astray"


def test_and_all_its_agents_are_given_it_when_it_goes_on(early: Office) -> None:
    early.update("B", status="todo")
    assert early.kinds("tester")[1:] == ["task_ready B"]
    early.report("coder")
    early.end_turn("coder")
    assert early.kinds("coder")[2:] == ["task_ready B"]


def test_also_where_words_to_one_of_them_have_it_go_on(early: Office) -> None:
    early.message("tester", "Go ahead.", subtask_id="B")
    early.end_turn("tester")
    assert early.kinds("tester")[1:] == ["message B", "task_ready B"]
    early.report("coder")
    early.end_turn("coder")
    assert early.kinds("coder")[2:] == ["task_ready B"]


def test_what_is_blocked_and_goes_on_before_its_turn_comes_keeps_its_place(office: Office) -> None:
    office.up("coder")
    for each in "ABC":
        office.create(each, "coder")
    office.update("B", status="blocked")
    office.update("B", status="todo")
    office.report("coder")
    office.end_turn("coder")
    assert office.kinds("coder") == ["task_ready A", "task_ready B"]


def test_what_the_graph_let_go_of_is_given_again_to_an_agent_that_has_gone_on(office: Office) -> None:
    # Given a subtask at work that comes to depend on something cancelled, so that its agent goes on with another
    office.up("coder")
    office.create("U", "x")
    office.create("A", "coder")
    office.create("B", "coder")
    office.receive("coder", office.delivered("coder")[0], DeliveryState.STARTED)
    office.update("A", dependencies=("U",))
    office.update("U", status="cancelled")
    office.end_turn("coder")
    assert office.kinds("coder")[-1] == "task_ready B"
    # When it no longer does
    office.update("A", dependencies=())
    office.report("coder")
    office.end_turn("coder")
    assert office.kinds("coder")[-1] == "task_ready A"


# ---------------------------------------------------------------- dead letters


def test_a_subtask_that_never_arrived_is_given_again_by_its_agents_retry(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    dead = die(office, "coder")
    assert office.ask(StartSession, agent="coder").text.endswith("It goes on with A.")
    assert office.kinds("coder") == ["task_ready A", "task_ready A"]
    # Then the dead letter is outdated
    answer = office.ask(RetryDelivery, delivery_id=dead)
    assert (answer.ok, answer.text) == (
        False,
        f"Delivery {dead} is outdated: coder was given A again. Drop it.",
    )


def test_a_dead_letter_about_what_is_over_is_not_delivered(office: Office) -> None:
    office.up("coder", "other")
    for each in "ABC":
        office.create(each, "coder")
    dead = {}
    for each in "ABC":
        dead[each] = die(office, "coder")
    office.complete("A")
    office.update("B", assignees=("other",))
    office.create("U", "other")
    office.update("C", dependencies=("U",))
    for each, why in (
        ("A", "A is completed"),
        ("B", "B is no longer assigned to coder"),
        ("C", "C waits for a dependency"),
    ):
        answer = office.ask(RetryDelivery, delivery_id=dead[each])
        assert not answer.ok
        assert why in answer.text


# ---------------------------------------------------------------- the log


def test_the_log_says_what_needs_a_person_and_what_to_do(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    office.create("B", "coder")
    with capture_logs() as lines:
        block(office, reason="no password " * 50)
        dead = die(office, "coder")
        office.create("C", "coder")
        for _ in range(3):
            office.end_turn("coder")
        office.create("D", "coder")
        office.tell(SessionChanged(agent="coder", state=SessionState.BLOCKED, detail="wrong key"))
    lines = [line for line in lines if line["log_level"] == "warning"]
    said = [
        (line["event"], line["log_level"], line["agent"], line["subtask"], line["next"]) for line in lines
    ]
    assert said == [
        ("subtask_blocked", "warning", "coder", "A", command("retry", "A")),
        ("delivery_dead", "warning", "coder", "B", command("retry", dead)),
        ("subtask_unfinished", "warning", "coder", "C", command("retry", "C")),
        ("session_blocked", "warning", "coder", "D", command("retry", "coder")),
    ], "one line for each, also where a session or a delivery takes its subtask with it"
    assert [office.node(each).hold for each in "ABCD"] == ["blocked", "blocked", "unfinished", "blocked"]
    assert lines[0]["reason"] == "no password " * 50


def test_the_log_says_that_a_cycle_is_to_be_broken(office: Office) -> None:
    with capture_logs() as lines:
        office.create("A", "coder", "A")
    assert [(line["event"], line["advice"]) for line in lines if "advice" in line] == [
        ("subtask_blocked", "change what A depends on, in the backend")
    ]


# ---------------------------------------------------------------- who there is


def test_an_agent_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    office = Office(tmp_path, agents=lambda: {"coder"})
    office.create("A", "reviewer")
    refusal = "There is no agent nobody: it has no prompt. The agents are: coder, reviewer."
    answer = office.ask(StartSession, agent="nobody")
    assert (answer.ok, answer.text) == (False, refusal)
    answer = office.ask(SendMessage, agent="nobody", text="hi", sender="person", source="person")
    assert (answer.ok, answer.text) == (False, refusal)
    assert "nobody" not in office.parts.lanes.by_agent
    assert office.history()["agent.message"] == 0
    for agent in ("coder", "reviewer"):
        assert office.ask(StartSession, agent=agent).ok
    office.close()


def test_a_backend_that_was_not_yet_tried_is_no_event(office: Office) -> None:
    office.tell(BackendChanged(state="closed"), BackendChanged(state="connecting"))
    assert office.history()["backend.closed"] == 0
    office.tell(BackendChanged(state="closed", detail="nobody listens"))
    assert office.history()["backend.closed"] == 1


# ---------------------------------------------------------------- what was withdrawn meanwhile


def test_an_assignment_that_begins_after_it_was_withdrawn_is_given_again(office: Office) -> None:
    office.up("coder")
    office.create("U", "x")
    office.create("A", "coder")
    office.create("B", "coder")
    # Given an assignment that is on its way when it gets a dependency
    office.update("A", dependencies=("U",))
    office.end_turn("coder")
    assert office.kinds("coder") == ["task_ready A", "subtask_closed A", "task_ready B"]
    assert office.node("A").state == "waiting"
    # When that is done, while its agent works on another
    office.complete("U")
    office.report("coder")
    office.end_turn("coder")
    assert office.kinds("coder")[-1] == "dependency_completed A"


def test_a_dead_assignment_that_was_withdrawn_holds_nobody_up(office: Office) -> None:
    office.up("old", "new")
    office.create("A", "old")
    dead = office.delivered("old")[0]
    office.update("A", assignees=("new",))
    step = DeliveryStep(delivery_id=dead.id, state=DeliveryState.DEAD, reason="no receipt")
    office.tell(Progressed(agent="old", steps=(step,)))
    assert office.node("A").hold is None


def test_a_reminder_that_does_not_arrive_holds_the_subtask(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder")
    office.end_turn("coder")
    die(office, "coder")
    assert (office.node("A").state, office.node("A").reason) == (
        "blocked",
        "its context could not be delivered: no receipt",
    )


@pytest.mark.parametrize("way", ["assigned to another", "deleted", "completed"])
def test_an_agent_without_a_prompt_is_blocked_no_more_once_its_subtasks_are_gone(
    tmp_path: Path, way: str
) -> None:
    # Given: a subtask for a misspelled agent, whose session is blocked.
    office = Office(tmp_path, agents=lambda: {"coder"})
    office.create("A", "codr")
    office.tell(
        SessionReady(agent="codr"),
        SessionChanged(agent="codr", state=SessionState.BLOCKED, detail="there is no prompt for codr"),
    )
    lane = office.parts.lanes.by_agent["codr"]
    assert lane.state is SessionState.BLOCKED
    # When: its only subtask is gone.
    if way == "assigned to another":
        office.update("A", assignees=("coder",))
    elif way == "deleted":
        office.tell(EventReceived(event=NodeDeleted(entity="subtask", id="A")))
    else:
        office.complete("A")
    # Then: it isn't called blocked any more.
    assert "stopped" in next(row for row in office.parts.journal.agents.load() if row[0] == "codr")
    # And: should it be given another one, its session tries again.
    office.told.clear()
    office.create("B", "codr")
    assert (session_name("codr"), Unblock()) in office.told
    office.tell(
        SessionReady(agent="codr"),
        SessionChanged(agent="codr", state=SessionState.BLOCKED, detail="no prompt"),
    )
    assert lane.state is SessionState.BLOCKED
    office.close()


def test_an_agent_with_a_prompt_stays_blocked_for_what_it_is_blocked(tmp_path: Path) -> None:
    office = Office(tmp_path, agents=lambda: {"coder"})
    office.up("coder")
    office.create("A", "coder")
    office.tell(SessionChanged(agent="coder", state=SessionState.BLOCKED, detail="wrong key"))
    office.complete("A")
    office.end_turn("coder")
    assert office.parts.lanes.by_agent["coder"].state is SessionState.BLOCKED
    office.close()
