"""Tests of the conversation: messages to write, steps to report, and idleness. No clock, no process."""

from typing import Any, Final

from hypothesis import example, given, settings
from hypothesis import strategies as st

from actors.protocol.deliveries import Delivery, DeliveryKind, DeliveryState
from actors.protocol.sessions import Refusal
from actors.session.conversation import CONTINUE, GO_ON, Conversation
from actors.session.drive import MessageMoved, Past, ReceiptState, TurnOver

ACCEPTED: Final = DeliveryState.ACCEPTED
STARTED: Final = DeliveryState.STARTED
COMPLETED: Final = DeliveryState.COMPLETED
EMPTY = Past()


def delivery(name: str) -> Delivery:
    return Delivery(id=name, agent="coder", kind=DeliveryKind.MESSAGE, text=f"text of {name}")


def talk_with(*names: str, history: Past | None = None) -> Conversation:
    """Return one that was given these deliveries, with a process that has begun."""
    talk = Conversation(receipt_seconds=10, max_attempts=2)
    for name in names:
        assert talk.deliver(delivery(name))
    talk.begin(history or Past())
    return talk


def left_open(*arrived: str) -> Past:
    """Return a history that has these messages, without an answer to them."""
    return Past(arrived=set(arrived), is_answered=False)


def texts(talk: Conversation) -> list[str]:
    """Return the texts to write now."""
    return [text for _, text in talk.take_messages()]


def steps(talk: Conversation) -> list[tuple[str, str, str | None]]:
    """Return the steps to report now."""
    return [(step.delivery_id, step.state.value, step.receipt) for step in talk.take_steps()]


def write(talk: Conversation, now: float = 0.0) -> list[str]:
    """Write the messages that wait; return their ids."""
    ids = [message_id for message_id, _ in talk.take_messages()]
    for message_id in ids:
        talk.written(message_id, now)
    return ids


def move(talk: Conversation, message_id: str, *states: ReceiptState) -> None:
    for state in states:
        talk.moved(MessageMoved(uuid=message_id, state=state, receipt="claude"))


# ---------------------------------------------------------------- contexts


def test_before_there_is_a_process_nothing_is_to_be_written() -> None:
    talk = Conversation(receipt_seconds=10, max_attempts=2)
    assert talk.deliver(delivery("a"))
    assert texts(talk) == []
    assert not talk.is_idle
    talk.begin(EMPTY)
    assert texts(talk) == ["text of a"]


def test_what_comes_later_follows_and_each_is_written_once() -> None:
    talk = talk_with("a")
    assert talk.deliver(delivery("b"))
    assert not talk.deliver(delivery("a"))
    assert texts(talk) == ["text of a", "text of b"]
    assert texts(talk) == []


def test_each_step_is_reported_once_and_the_receipt_is_owed_until_it_comes() -> None:
    talk = talk_with("a")
    talk.take_messages()
    assert talk.written("a", 100.0) == talk.next_due() == 110.0
    move(talk, "a", ACCEPTED, STARTED, STARTED, COMPLETED)
    assert talk.next_due() is None
    assert steps(talk) == [
        ("a", "written", None),
        ("a", "accepted", "claude"),
        ("a", "started", "claude"),
        ("a", "completed", "claude"),
    ]
    assert steps(talk) == []


def test_it_is_idle_when_all_is_done_and_a_turn_is_over_and_tells_so_once() -> None:
    talk = talk_with("a", "b")
    write(talk)
    move(talk, "a", COMPLETED)
    talk.turn_over(TurnOver(text="one", denied=(Refusal(tool="Bash"),)))
    assert talk.take_turn() is None
    talk.turn_began()
    move(talk, "b", COMPLETED)
    assert talk.take_turn() is None, "that turn still runs"
    talk.turn_over(TurnOver(text="two", denied=(Refusal(tool="Write"),)))
    turn = talk.take_turn()
    assert turn == TurnOver(text="two", denied=(Refusal(tool="Bash"), Refusal(tool="Write")))
    assert talk.take_turn() is None
    talk.turn_over(TurnOver(text="three"))
    assert talk.take_turn() == TurnOver(text="three")


# ---------------------------------------------------------------- processes come and go


def test_what_was_not_taken_is_written_to_the_next_process() -> None:
    talk = talk_with("a")
    write(talk)
    talk.deliver(delivery("b"))
    talk.end()
    assert texts(talk) == []
    talk.begin(EMPTY)
    assert write(talk) == ["a", "b"]
    assert [step.attempts for step in talk.take_steps()] == [1, 2, 2]


def test_what_has_arrived_is_not_written_but_continued_and_done_when_that_is() -> None:
    talk = talk_with("a", "b", history=left_open("a"))
    (_, first), (own, second) = talk.take_messages()
    assert [first, second] == ["text of b", CONTINUE]
    assert steps(talk) == [("a", "started", "transcript")]
    # A turn's end before ours is over is that of another.
    talk.turn_over(TurnOver(text="of b"))
    assert steps(talk) == []
    move(talk, own, ACCEPTED, STARTED)
    assert steps(talk) == []
    move(talk, own, COMPLETED)
    assert steps(talk) == [("a", "completed", "transcript")]
    # And then nothing is left to continue.
    talk.deliver(delivery("c"))
    assert texts(talk) == ["text of c"]


def test_a_turn_that_was_cut_off_is_continued_though_nothing_waits_for_it() -> None:
    talk = talk_with(history=left_open("of a person"))
    assert texts(talk) == [CONTINUE]
    assert talk.awaits_claude
    assert not talk.is_idle


def test_it_is_told_once_to_go_on_whatever_comes_meanwhile() -> None:
    talk = talk_with("a", history=left_open("a", "b"))
    talk.deliver(delivery("b"))
    assert texts(talk) == [CONTINUE]


def test_what_was_answered_already_is_done_with_the_answer() -> None:
    talk = talk_with("a", history=Past(arrived={"a"}, last_text="all is said"))
    assert texts(talk) == []
    assert steps(talk) == [("a", "started", "transcript"), ("a", "completed", "transcript")]
    assert talk.take_turn() == TurnOver(text="all is said")


def test_one_that_comes_again_and_has_arrived_is_not_written_into_a_process_that_runs() -> None:
    talk = talk_with(history=Past(arrived={"a"}, last_text="all is said"))
    assert talk.deliver(delivery("a"))
    assert texts(talk) == []
    assert talk.take_turn() == TurnOver(text="all is said")


# ---------------------------------------------------------------- receipts that don't come


def test_an_overdue_one_is_written_again_and_given_up_at_last() -> None:
    talk = talk_with("a")
    write(talk, 0.0)
    assert talk.overdue(9.0) == []
    talk.resend(talk.overdue(10.0), EMPTY)
    assert write(talk, 10.0) == ["a"]
    assert talk.overdue(29.0) == [], "the second attempt is given twice the time"
    talk.resend(talk.overdue(30.0), EMPTY)
    assert texts(talk) == []
    dead = talk.take_steps()[-1]
    assert (dead.state, dead.reason) == (DeliveryState.DEAD, "no receipt from claude after 2 attempts")
    assert talk.is_idle


def test_one_that_a_person_has_retried_has_all_its_attempts_again() -> None:
    talk = talk_with()
    again = delivery("a").model_copy(update={"attempts": 7})
    assert talk.doubts(again)
    talk.deliver(again)
    assert write(talk) == ["a"]
    assert talk.next_due() == 10.0
    talk.resend(talk.overdue(10.0), EMPTY)
    assert write(talk, 10.0) == ["a"]
    talk.resend(talk.overdue(30.0), EMPTY)
    states = [(step.state.value, step.attempts) for step in talk.take_steps()]
    assert states == [("written", 8), ("written", 9), ("dead", None)]


def test_one_that_has_arrived_is_not_given_up_though_its_last_attempt_is_over() -> None:
    talk = talk_with("a")
    for now, history in ((0.0, EMPTY), (100.0, left_open("a"))):
        write(talk, now)
        talk.resend(talk.overdue(now + 100.0), history)
    write(talk, 100.0)
    assert "dead" not in [state for _, state, _ in steps(talk)]
    assert not talk.is_idle


def test_an_overdue_one_that_has_arrived_is_done_when_a_turn_is_over() -> None:
    talk = talk_with("a")
    write(talk)
    talk.resend(talk.overdue(10.0), left_open("a"))
    assert texts(talk) == []
    assert not talk.is_idle
    talk.turn_over(TurnOver(text="done"))
    assert [state for _, state, _ in steps(talk)] == ["written", "started", "completed"]
    assert talk.take_turn() == TurnOver(text="done")


def test_an_overdue_one_that_has_arrived_is_done_at_once_if_the_turn_was_over_before() -> None:
    talk = talk_with("a")
    write(talk)
    talk.turn_over(TurnOver(text="done"))
    talk.resend(talk.overdue(10.0), Past(arrived={"a"}))
    assert talk.take_turn() == TurnOver(text="done")


# ---------------------------------------------------------------- the API fails


def test_a_turn_that_failed_goes_on_later_and_until_then_it_is_not_idle() -> None:
    talk = talk_with("a")
    write(talk)
    assert not talk.has_suspended_turn
    suspended = talk.suspend_turn()
    move(talk, "a", COMPLETED)
    assert steps(talk) == [("a", "written", None), ("a", "started", "claude")], (
        "it isn't done before it went on"
    )
    assert talk.has_suspended_turn
    assert not talk.is_idle
    assert not talk.awaits_claude, "it waits for the clock"
    assert texts(talk) == []
    talk.retry(suspended)
    assert talk.awaits_claude
    talk.retry(suspended)
    assert texts(talk) == [GO_ON]
    talk.turn_over(TurnOver(text="at last"))
    assert talk.take_turn() is None
    move(talk, suspended, COMPLETED)
    assert steps(talk) == [("a", "completed", "transcript")]
    assert talk.take_turn() == TurnOver(text="at last")


def test_while_it_waits_for_the_api_claude_still_owes_an_answer_to_what_comes_meanwhile() -> None:
    talk = talk_with("a")
    write(talk)
    talk.suspend_turn()
    move(talk, "a", COMPLETED)
    assert not talk.awaits_claude
    talk.deliver(delivery("b"))
    assert talk.awaits_claude


def test_a_turn_that_fails_again_and_again_is_done_only_when_it_went_well() -> None:
    talk = talk_with("a")
    write(talk)
    failing = "a"
    for _ in range(3):
        suspended = talk.suspend_turn()
        move(talk, failing, COMPLETED)
        talk.retry(suspended)
        assert write(talk) == [suspended]
        failing = suspended
    assert "completed" not in [state for _, state, _ in steps(talk)]
    talk.turn_over(TurnOver(text="at last"))
    move(talk, suspended, COMPLETED)
    assert steps(talk) == [("a", "completed", "transcript")]


def test_a_dropped_turn_completes_its_contexts_and_is_not_continued_by_itself() -> None:
    talk = talk_with("a")
    write(talk)
    move(talk, "a", STARTED)
    talk.drop_turn()
    move(talk, "a", COMPLETED)
    assert [state for _, state, _ in steps(talk)][-1] == "completed"
    assert talk.is_idle


def test_while_it_waits_for_the_api_claude_may_be_silent_though_something_of_ours_is_on_its_way() -> None:
    talk = talk_with(history=left_open())
    assert talk.awaits_claude
    talk.suspend_turn()
    assert not talk.awaits_claude


def test_a_turn_that_goes_well_meanwhile_takes_the_failed_one_along() -> None:
    talk = talk_with()
    suspended = talk.suspend_turn()
    talk.turn_over(TurnOver(text="both"))
    assert talk.take_turn() == TurnOver(text="both")
    talk.retry(suspended)
    assert texts(talk) == []


def test_the_wait_of_an_earlier_failure_does_not_shorten_that_of_a_later_one() -> None:
    talk = talk_with()
    first, second = (talk.suspend_turn() for _ in range(2))
    talk.retry(first)
    assert texts(talk) == []
    talk.retry(second)
    assert texts(talk) == [GO_ON]


def test_a_dropped_turn_is_continued_when_a_person_says_so() -> None:
    talk = talk_with()
    talk.suspend_turn()
    talk.drop_turn()
    assert talk.is_idle
    assert talk.take_turn() is None
    talk.go_on()
    assert texts(talk) == [GO_ON]
    assert not talk.is_idle


def test_a_person_may_continue_it_before_its_time_and_then_it_is_told_so_once() -> None:
    talk = talk_with()
    suspended = talk.suspend_turn()
    talk.go_on()
    talk.retry(suspended)
    assert texts(talk) == [GO_ON]


def test_a_crash_forgets_the_wait_for_the_api() -> None:
    talk = talk_with()
    suspended = talk.suspend_turn()
    talk.end()
    talk.retry(suspended)
    talk.begin(EMPTY)
    assert texts(talk) == []
    assert talk.is_idle


# ---------------------------------------------------------------- whatever happens


class Forgetful:
    """A claude that loses messages and receipts, and is killed at any time; it keeps its history.

    Nothing protects it from duplicates: each message that it takes runs.
    """

    def __init__(self) -> None:
        self.talk = Conversation(receipt_seconds=1, max_attempts=10**6)
        self.history: list[str] = []
        self.open: list[str] = []
        self.now = 0.0
        self.talk.begin(self.seen)

    @property
    def seen(self) -> Past:
        """The transcript."""
        return Past(arrived=set(self.history), is_answered=not self.open)

    def take(self, *, loses: int = 0, is_heard: bool = True) -> None:
        """Take the messages that wait, except the first so many; perhaps without a receipt."""
        for message_id in write(self.talk, self.now)[loses:]:
            self.history.append(message_id)
            self.open.append(message_id)
            if is_heard:
                move(self.talk, message_id, ACCEPTED, STARTED)

    def answer(self, *, is_heard: bool = True) -> None:
        """End a turn."""
        done, self.open = self.open, []
        self.talk.turn_began()
        self.talk.turn_over(TurnOver(text="done"))
        if is_heard:
            for message_id in done:
                move(self.talk, message_id, COMPLETED)

    def crash(self) -> None:
        """Kill it, and start it again."""
        self.talk.end()
        self.talk.begin(self.seen)

    def wait(self) -> None:
        """Wait until every receipt is overdue."""
        self.now += 1e6
        self.talk.resend(self.talk.overdue(self.now), self.seen)


ACTIONS = st.one_of(
    st.just(("deliver",)),
    st.tuples(st.just("take"), st.integers(0, 2), st.booleans()),
    st.tuples(st.just("answer"), st.booleans()),
    st.just(("crash",)),
    st.just(("wait",)),
)


@settings(max_examples=300)
@given(st.lists(ACTIONS, max_size=25))
@example([("deliver",), ("take", 0, False), ("wait",), ("take", 0, False)])
@example([("deliver",), ("take", 0, True), ("answer", False), ("crash",)])
def test_whatever_is_lost_each_context_is_told_once_and_completed_once(
    actions: list[tuple[Any, ...]],
) -> None:
    # Given: any mixture of contexts, losses, crashes and silence.
    claude = Forgetful()
    given_ids: list[str] = []
    reported: list[Any] = []
    for action in actions:
        match action:
            case ("deliver",):
                given_ids.append(f"delivery {len(given_ids)}")
                claude.talk.deliver(delivery(given_ids[-1]))
            case ("take", loses, is_heard):
                claude.take(loses=loses, is_heard=is_heard)
            case ("answer", is_heard):
                claude.answer(is_heard=is_heard)
            case ("crash",):
                claude.crash()
            case ("wait",):
                claude.wait()
        reported += claude.talk.take_steps()
    # When: at last it is killed once more, and from then on does what it should.
    claude.crash()
    claude.take()
    claude.answer()
    reported += claude.talk.take_steps()
    # Then: each context is in the history once, and its completion was told once.
    ours = [each for each in claude.history if each in given_ids]
    assert sorted(ours) == sorted(given_ids)
    completed = [step.delivery_id for step in reported if step.state is COMPLETED]
    assert sorted(completed) == sorted(given_ids)
    assert claude.talk.is_idle
