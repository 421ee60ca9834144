"""Restarts of the router: open deliveries are resumed, and publications resent."""

from actors.protocol.backend import (
    BackendChanged,
    BackendOpened,
    EventReceived,
    PublicationConfirmed,
    PublicationRefused,
    PublicationSent,
    ReplayChanged,
    ResendPublications,
    Resume,
)
from actors.protocol.deliveries import DeliveryState, DeliveryStep
from actors.protocol.events import AgentBlocked, NodeCompleted, NodeCreated, NodeUpdated
from actors.protocol.reports import ReportBlocked, RetrySubtask
from actors.protocol.router import RouterStarted
from actors.protocol.sessions import Progressed, SessionChanged, SessionReady, SessionsLost, SessionState
from tests.actors.router.office import Office


def event(seq: int, node_id: str, *upstreams: str, agent: str = "coder") -> EventReceived:
    return EventReceived(
        event=NodeCreated(
            entity="subtask",
            id=node_id,
            key=f"key-{seq}",
            seq=seq,
            assignees=(agent,),
            dependencies=upstreams,
        )
    )


def test_a_restarted_router_knows_the_graph_and_gives_out_what_waits(durable: Office) -> None:
    durable.create("A", "a")
    durable.create("B", "b", "A")
    durable.restart()
    assert "session:a" in durable.started()
    durable.up("a", "b")
    assert durable.kinds("a") == ["task_ready A"]
    durable.report("a", "the result")
    durable.restart()
    durable.up("b")
    assert durable.kinds("b") == ["dependency_completed B"]
    assert "> the result" in durable.delivered("b")[0].text


def test_what_a_session_was_given_is_given_again_under_the_same_id_and_text(durable: Office) -> None:
    durable.up("a")
    durable.create("A", "a", details="first")
    durable.message("a", "hello")
    before = durable.delivered("a")
    durable.receive("a", before[0], DeliveryState.WRITTEN, DeliveryState.ACCEPTED)
    durable.told.clear()
    durable.restart()
    durable.up("a")
    again = durable.delivered("a")
    assert [(each.id, each.text) for each in again] == [(each.id, each.text) for each in before]
    assert again[0].state is DeliveryState.ACCEPTED


def test_sessions_that_live_are_asked_to_announce_themselves(durable: Office) -> None:
    durable.up("a")
    durable.told.clear()
    durable.restart()
    assert ("session:a", RouterStarted()) in durable.told


def test_sessions_that_were_lost_with_their_supervisor_are_started_again(office: Office) -> None:
    office.up("busy", "idle")
    office.create("A", "busy")
    office.told.clear()
    office.tell(SessionsLost())
    assert office.started() == ["session:busy"]
    office.up("busy")
    assert office.kinds("busy") == ["task_ready A"]


def test_a_session_that_comes_back_idle_with_a_subtask_in_hand_is_asked_about_it(durable: Office) -> None:
    # Given an agent whose turn had ended, when the news of that was lost with the router
    durable.up("a")
    durable.create("A", "a")
    durable.receive("a", durable.delivered("a")[0], DeliveryState.STARTED, DeliveryState.COMPLETED)
    durable.restart()
    durable.tell(SessionReady(agent="a", idle=True))
    assert durable.kinds("a") == ["task_ready A", "reminder A"]


def test_a_reminder_whose_answer_nobody_could_take_does_not_count(durable: Office) -> None:
    # Given an agent that is always cut off while it answers a reminder, since the coordinator dies just then
    durable.up("a")
    durable.create("A", "a")
    durable.end_turn("a")
    for _ in range(3):
        durable.receive("a", durable.delivered("a")[-1], DeliveryState.STARTED)
        durable.restart()
        durable.up("a")
        durable.end_turn("a")
    assert durable.node("A").state == "working"
    # Then two that it could have answered are enough all the same
    durable.end_turn("a")
    assert durable.node("A").state == "working"
    durable.end_turn("a")
    assert durable.node("A").state == "unfinished"


def test_what_was_not_committed_never_was(durable: Office) -> None:
    durable.create("A", "a")
    durable.parts.handle(event(7, "B"))
    durable.restart()
    assert durable.parts.graph.get("B") is None
    assert durable.history()["subtask.created"] == 1


def test_the_backends_cursor_is_where_the_last_commit_was(durable: Office) -> None:
    durable.tell(BackendOpened(instance="one", acks=True))
    assert ("connection", Resume(since=0)) in durable.told
    durable.tell(event(4, "A"), event(5, "B"))
    durable.restart()
    durable.tell(BackendOpened(instance="one", acks=True))
    assert durable.told[-1] == ("connection", Resume(since=5))
    # Another database counts from the beginning
    durable.tell(BackendOpened(instance="two", acks=True))
    assert durable.told[-1] == ("connection", Resume(since=0))


def test_a_backend_without_an_order_is_asked_for_nothing(office: Office) -> None:
    office.tell(BackendOpened())
    assert ("connection", Resume(since=None)) in office.told


def test_an_event_with_a_known_key_changes_nothing(office: Office) -> None:
    office.up("coder")
    office.tell(event(1, "A"), event(1, "A"))
    assert office.kinds("coder") == ["task_ready A"]
    assert office.history()["subtask.created"] == 1


def test_during_a_replay_no_new_subtask_is_handed_over(office: Office) -> None:
    office.tell(BackendOpened(instance="one", acks=True), ReplayChanged(running=True))
    office.up("coder")
    office.tell(event(1, "old"))
    assert office.delivered() == []
    done = NodeCompleted(entity="subtask", id="old", key="key-2", seq=2, by="somebody")
    office.tell(EventReceived(event=done), event(3, "new"), ReplayChanged(running=False))
    assert office.kinds("coder") == ["task_ready new"]


def test_publications_are_resent_in_order_when_the_backend_can_take_them_again(office: Office) -> None:
    # Given two publications that the backend couldn't take for now
    office.backend_opens()
    office.up("a", "b")
    office.create("A", "a")
    office.create("B", "b")
    office.report("a")
    office.report("b")
    first, second = office.published()
    told = len(office.told)
    # When it can
    office.tell(ResendPublications())
    # Then both go out again, and nothing is subscribed to
    assert office.told[told:] == [("connection", first), ("connection", second)]
    # And what it has by then does not
    office.tell(PublicationConfirmed(key=first.key), ResendPublications())
    assert office.published()[4:] == [second]


def test_publications_wait_for_the_backend_and_go_out_again_until_it_has_them(durable: Office) -> None:
    durable.up("a")
    durable.create("A", "a")
    durable.report("a")
    assert durable.published() == []
    durable.backend_opens()
    (first,) = durable.published()
    durable.restart()
    durable.told.clear()
    durable.backend_opens()
    (second,) = durable.published()
    assert second == first  # under the same key
    durable.tell(PublicationConfirmed(key=first.key))
    durable.told.clear()
    durable.backend_opens()
    assert durable.published() == []


def test_the_echo_of_a_publication_is_its_confirmation_and_changes_nothing(office: Office) -> None:
    office.up("a")
    office.create("A", "a")
    office.report("a", "ours")
    office.backend_opens()
    (publication,) = office.published()
    echo = NodeCompleted(entity="subtask", id="A", key=publication.key, seq=9, summary="theirs")
    office.tell(EventReceived(event=echo))
    assert office.node("A").summary == "ours"
    office.told.clear()
    office.backend_opens()
    assert office.published() == []


def test_refused_and_unacknowledged_publications_are_not_sent_again(office: Office) -> None:
    office.up("a")
    office.create("A", "a")
    office.create("B", "a")
    office.report("a")
    office.end_turn("a")
    office.report("a")
    office.backend_opens()
    one, two = office.published()
    office.tell(PublicationRefused(key=one.key, reason="unknown_subtask"), PublicationSent(key=two.key))
    office.told.clear()
    office.backend_opens()
    assert office.published() == []
    assert office.history()["publication.refused"] == 1


def test_more_publications_than_fit_at_once_all_go_out_in_order(office: Office) -> None:
    office.up("a")
    for number in range(250):
        office.create(f"S{number}", "a")
        office.report("a")
        office.end_turn("a")
    office.backend_opens()
    seen: list[str] = []
    while new := [each for each in office.published() if each.key not in seen]:
        seen += [each.key for each in new]
        office.tell(*(PublicationConfirmed(key=each.key) for each in new))
    assert [each.payload["id"] for each in office.published()] == [f"S{number}" for number in range(250)]


def test_of_a_long_outage_the_history_tells_once(office: Office) -> None:
    states = [
        "connecting",
        "open",
        "closed",
        *["connecting", "closed"] * 3,
        "refused",
        "refused",
        "closed",
        "open",
    ]
    for number, state in enumerate([*states, "open"]):
        office.tell(BackendChanged.model_validate({"state": state, "detail": f"detail {number}"}))
    rows = office.parts.journal.execute("SELECT kind FROM events ORDER BY number").fetchall()
    told = [kind.removeprefix("backend.") for (kind,) in rows]
    assert told == ["open", "closed", "refused", "closed", "open", "open"]
    # And: who looks now sees the last attempt
    assert office.parts.journal.get("backend") == f"open detail {len(states)}"


def test_a_delivery_that_has_not_arrived_after_all_is_taken_back_with_the_reason(durable: Office) -> None:
    # Given a delivery that claude had begun
    durable.up("a")
    durable.create("A", "a")
    (delivery,) = durable.delivered("a")
    durable.receive("a", delivery, DeliveryState.WRITTEN, DeliveryState.ACCEPTED, DeliveryState.STARTED)
    # When the session finds out that the model never got it
    back = DeliveryStep(
        delivery_id=delivery.id, state=DeliveryState.QUEUED, reason="the history lacks it", attempts=1
    )
    durable.tell(Progressed(agent="a", steps=(back,)))
    # Then the journal says so, and doesn't claim a receipt
    row = durable.parts.journal.execute("SELECT state, receipt, reason, attempts FROM deliveries").fetchone()
    assert row == ("queued", "", "the history lacks it", 1)
    # And it goes its way again, also with the next router
    durable.told.clear()
    durable.restart()
    durable.up("a")
    (again,) = durable.delivered("a")
    assert (again.id, again.state, again.attempts) == (delivery.id, DeliveryState.QUEUED, 1)
    durable.receive("a", again, DeliveryState.WRITTEN, DeliveryState.STARTED, DeliveryState.COMPLETED)
    assert durable.parts.journal.execute("SELECT state FROM deliveries").fetchone() == ("completed",)


def test_a_session_that_works_in_the_background_gets_its_next_subtask_when_it_is_ready(
    office: Office,
) -> None:
    # Given an agent that has completed its subtask, and still runs something
    office.up("coder")
    office.create("A", "coder")
    office.create("B", "coder")
    office.tell(SessionChanged(agent="coder", state=SessionState.WORKING, detail="runs in the background"))
    office.report("coder")
    (delivery,) = office.delivered("coder")
    office.receive("coder", delivery, DeliveryState.STARTED, DeliveryState.COMPLETED)
    assert office.kinds("coder") == ["task_ready A"]
    # Then words reach it, and the next subtask waits
    office.message("coder", "hello")
    assert office.kinds("coder") == ["task_ready A", "message"]
    office.receive("coder", office.delivered("coder")[-1], DeliveryState.STARTED, DeliveryState.COMPLETED)
    assert office.kinds("coder") == ["task_ready A", "message"]
    office.tell(SessionChanged(agent="coder", state=SessionState.READY))
    assert office.kinds("coder")[-1] == "task_ready B"


def test_a_session_that_comes_back_idle_is_not_taken_for_busy(durable: Office) -> None:
    durable.up("coder")
    durable.create("A", "coder")
    durable.create("B", "coder")
    durable.tell(SessionChanged(agent="coder", state=SessionState.WORKING))
    (delivery,) = durable.delivered("coder")
    durable.receive("coder", delivery, DeliveryState.STARTED, DeliveryState.COMPLETED)
    durable.report("coder")
    durable.restart()
    durable.tell(SessionReady(agent="coder", idle=False))
    assert durable.kinds("coder") == ["task_ready A"]
    durable.tell(SessionReady(agent="coder", idle=True))
    assert durable.kinds("coder") == ["task_ready A", "task_ready B"]


def test_a_late_echo_of_our_own_news_neither_reopens_nor_blocks_anything(durable: Office) -> None:
    # Given a subtask that was begun and completed, which the backend has confirmed
    durable.backend_opens()
    durable.up("a")
    durable.create("A", "a", key="k-1", seq=1)
    durable.receive("a", durable.delivered("a")[0], DeliveryState.STARTED, DeliveryState.COMPLETED)
    durable.report("a")
    begun, completed = durable.published()
    assert (begun.event_type, completed.event_type) == ("subtask.updated", "subtask.completed")
    durable.tell(PublicationConfirmed(key=begun.key), PublicationConfirmed(key=completed.key))
    # When the echo of its beginning comes only now, for one because the coordinator was killed
    durable.restart()
    echo = NodeUpdated(entity="subtask", id="A", status="in_progress", key=begun.key, seq=2)
    durable.tell(EventReceived(event=echo))
    durable.up("a")
    # Then it isn't opened again
    assert durable.node("A").state == "completed"
    assert durable.kinds("a") == ["task_ready A"]
    # And the same with a block that was answered since
    durable.backend_opens()
    durable.create("B", "a", key="k-2", seq=3)
    durable.ask(ReportBlocked, agent="a", way="gateway", reason="which one?", subtask_id="B")
    blocked = durable.published()[-1]
    durable.ask(RetrySubtask, subtask_id="B")
    durable.tell(
        EventReceived(
            event=AgentBlocked(agent="a", subtask_id="B", reason="which one?", key=blocked.key, seq=4)
        )
    )
    assert blocked.event_type == "agent.blocked"
    assert durable.node("B").hold is None


def test_a_late_word_of_the_backend_that_follows_from_our_block_does_not_hold_for_ever(
    office: Office,
) -> None:
    # Given a block that was answered: the backend was told of it, and that the work goes on
    office.backend_opens()
    office.up("a")
    office.create("A", "a", key="k-1", seq=1)
    office.receive("a", office.delivered("a")[0], DeliveryState.STARTED)
    office.ask(ReportBlocked, agent="a", way="gateway", reason="which one?", subtask_id="A")
    office.ask(RetrySubtask, subtask_id="A")
    blocked, goes_on = office.published()[-2:]
    assert (blocked.event_type, goes_on.event_type) == ("agent.blocked", "subtask.updated")
    # When its own events about both come only now
    status = NodeUpdated(entity="subtask", id="A", status="blocked", key="its own", seq=2)
    office.tell(EventReceived(event=status))
    office.tell(
        EventReceived(
            event=AgentBlocked(agent="a", subtask_id="A", reason="which one?", key=blocked.key, seq=3)
        )
    )
    echo = NodeUpdated(entity="subtask", id="A", status="in_progress", key=goes_on.key, seq=4)
    office.tell(EventReceived(event=echo))
    # Then the last word counts
    assert office.node("A").hold is None
