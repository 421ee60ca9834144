"""Tests of the limit on waiting messages, by number and by bytes."""

import functools

from hypothesis import given
from hypothesis import strategies as st

from actors.connection import ConnectionActor
from actors.connection import actor as module
from actors.connection.backpressure import Backpressure
from actors.connection.client import Epoch, MessageReceived
from actors.protocol.names import CONNECTION, ROUTER
from tests.actors.connection.peer import Listener
from tests.actors.support import child, running

NOBODYS = Epoch(0, 0)
MESSAGES, SIZE = 10, 100


@given(st.lists(st.tuples(st.integers(0, 2 * SIZE), st.integers(0, 3)), max_size=100))
def test_what_waits_never_outgrows_the_capacity_however_it_comes_and_goes(
    steps: list[tuple[int, int]],
) -> None:
    backpressure, waiting = Backpressure(MESSAGES, SIZE), list[int]()
    for size, taken in steps:
        if len(waiting) < backpressure.limit:
            backpressure.add(size)
            waiting.append(size)
        assert len(waiting) <= MESSAGES
        assert sum(waiting[:-1]) <= SIZE
        del waiting[:taken]


def test_short_messages_find_all_the_capacity_again_behind_a_long_one() -> None:
    backpressure = Backpressure(MESSAGES, SIZE)
    backpressure.add(10 * SIZE)
    assert backpressure.limit == 1
    for _ in range(MESSAGES):
        backpressure.add(1)
    assert backpressure.limit == MESSAGES


def test_the_socket_is_left_alone_while_too_much_waits_for_the_router() -> None:
    with Listener() as listener:
        start = functools.partial(ConnectionActor, url=listener.url)
        with running(child(CONNECTION, start)) as system:
            connection = system._lives[CONNECTION].actor
            assert isinstance(connection, ConnectionActor)
            # Given some messages that wait for the router
            for _ in range(4):
                system.handle(ROUTER).tell("anything")
            # Then there is backpressure for more as long as they are short
            connection._hear(MessageReceived(NOBODYS, b"{}"))
            assert connection._wait_for_capacity(0)
            # And none once they are so large that as many of them are too much
            for _ in range(4):
                connection._hear(MessageReceived(NOBODYS, b" " * (module._BYTES // 3)))
            assert not connection._wait_for_capacity(0)
