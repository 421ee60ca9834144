"""Tests of the deliveries in a session: their states, and overdue receipts."""

from hypothesis import example, given
from hypothesis import strategies as st

from actors.protocol.deliveries import ORDER, Delivery, DeliveryKind, DeliveryState
from actors.session.receipts import MOST_DOUBLINGS, REMEMBERED, InFlight, Receipts

STATES = st.sampled_from(DeliveryState)


def delivery(name: str, state: DeliveryState = DeliveryState.QUEUED, attempts: int = 0) -> Delivery:
    return Delivery(id=name, agent="coder", kind=DeliveryKind.MESSAGE, state=state, attempts=attempts)


def written(receipts: Receipts, name: str, at: float, attempts: int = 1) -> InFlight:
    item = receipts.add(delivery(name))
    assert item is not None
    item.attempts, item.written_at = attempts, at
    receipts.move(name, DeliveryState.WRITTEN)
    return item


def test_a_delivery_is_taken_once() -> None:
    receipts = Receipts(10)
    assert receipts.add(delivery("a")) is not None
    assert receipts.add(delivery("a")) is None
    assert [item.delivery.id for item in receipts.all()] == ["a"]


def test_it_begins_where_the_router_says_that_it_is() -> None:
    item = Receipts(10).add(delivery("a", DeliveryState.STARTED, attempts=3))
    assert item is not None
    assert (item.state, item.attempts, item.written_at) == (DeliveryState.STARTED, 3, None)


@given(st.lists(STATES, max_size=12))
def test_it_only_moves_forward_and_is_forgotten_at_the_end(states: list[DeliveryState]) -> None:
    receipts = Receipts(10)
    receipts.add(delivery("a"))
    taken = [state for state in states if receipts.move("a", state)]
    assert taken == sorted(set(taken), key=ORDER.__getitem__)
    finals = [state for state in states if state.is_final]
    assert (receipts.get("a") is None) == bool(finals)
    assert bool(receipts) == (not finals)
    assert [state for state in taken if state.is_final] == finals[:1]


def test_what_is_not_there_does_not_move() -> None:
    assert not Receipts(10).move("a", DeliveryState.COMPLETED)


def test_one_that_was_completed_is_not_taken_again_but_a_dead_one_is() -> None:
    receipts = Receipts(10)
    for name, end in (("done", DeliveryState.COMPLETED), ("dead", DeliveryState.DEAD)):
        receipts.add(delivery(name))
        receipts.move(name, end)
    assert receipts.add(delivery("done")) is None
    assert receipts.add(delivery("dead")) is not None, "a person may have it tried again"


def test_only_so_many_completed_ones_are_remembered() -> None:
    receipts = Receipts(10)
    for number in range(REMEMBERED + 1):
        receipts.add(delivery(str(number)))
        receipts.move(str(number), DeliveryState.COMPLETED)
    assert receipts.add(delivery("0")) is not None
    assert receipts.add(delivery("1")) is None


def test_the_order_is_that_of_coming() -> None:
    receipts = Receipts(10)
    for name in "cab":
        receipts.add(delivery(name))
    receipts.move("a", DeliveryState.STARTED)
    assert [item.delivery.id for item in receipts.all()] == ["c", "a", "b"]


def test_a_receipt_is_owed_from_the_writing_to_the_first_one() -> None:
    receipts = Receipts(10)
    item = receipts.add(delivery("a"))
    assert item is not None
    assert receipts.due(item) is None, "it waits to be written"
    item.attempts, item.written_at = 1, 100.0
    assert receipts.due(item) is None, "still"
    receipts.move("a", DeliveryState.WRITTEN)
    assert receipts.due(item) == receipts.next_due() == 110.0
    receipts.move("a", DeliveryState.ACCEPTED)
    assert receipts.next_due() is None
    assert receipts.overdue(1e9) == []


def test_each_attempt_is_given_twice_the_time() -> None:
    receipts = Receipts(10)
    item = written(receipts, "a", at=100.0)
    waits = []
    for attempt in range(1, 5):
        item.attempts = attempt
        waits.append((receipts.due(item) or 0) - 100.0)
    assert waits == [10, 20, 40, 80]


@given(st.integers(0, 10**6))
def test_however_often_it_was_written_the_wait_stays_bounded(attempts: int) -> None:
    receipts = Receipts(10)
    due = receipts.due(written(receipts, "a", at=0.0, attempts=attempts))
    assert due is not None
    assert 10 <= due <= 10 * 2**MOST_DOUBLINGS


@given(st.lists(st.tuples(st.floats(0, 1000), st.integers(1, 5)), min_size=1, max_size=8), st.floats(0, 2000))
@example([(100.0, 1), (100.5, 1), (100.0, 2)], 110.0)
def test_what_is_overdue_is_what_is_due_by_now(items: list[tuple[float, int]], now: float) -> None:
    receipts = Receipts(10)
    found = [written(receipts, str(n), at, attempts) for n, (at, attempts) in enumerate(items)]
    dues = [receipts.due(item) or 0.0 for item in found]
    assert receipts.next_due() == min(dues)
    assert receipts.overdue(now) == [item for item, due in zip(found, dues, strict=True) if due <= now]
