"""How much may wait before the socket is left alone: so many messages, and no more than so many bytes."""

import functools

from actors.connection import ConnectionActor
from actors.connection import actor as module
from actors.connection.backend_socket import Epoch, Received
from actors.messages import CONNECTION, ROUTER
from tests.actors.connection.peer import Listener
from tests.actors.support import child, running

NOBODYS = Epoch(0, 0)


def test_fewer_messages_may_wait_the_larger_they_are() -> None:
    with Listener() as listener:
        start = functools.partial(ConnectionActor, url=listener.url)
        with running(child(CONNECTION, start)) as system:
            connection = system._lives[CONNECTION].actor
            assert isinstance(connection, ConnectionActor)
            # Given some messages that wait for the router
            for _ in range(40):
                system.handle(ROUTER).tell("anything")
            # Then there is room for more as long as they are short
            connection._hear(Received(NOBODYS, b"{}"))
            assert connection._wait_for_room(0)
            # And none once they are as large as that as many of them are too much
            connection._hear(Received(NOBODYS, b" " * (module._ROOM_BYTES // 40)))
            assert not connection._wait_for_room(0)
            # And again when they have been short for a while
            for _ in range(1000):
                connection._hear(Received(NOBODYS, b"{}"))
            assert connection._wait_for_room(0)
