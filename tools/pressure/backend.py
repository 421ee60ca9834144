"""A backend that sends many messages, as fast as the coordinator reads them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue

import orjson
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve

from tools.common.arrivals import stamp

WELCOME = b'{"type":"welcome","server":"pressure","instance":"pressure","acks":true,"last_seq":0}'


class FloodingBackend:
    """Sends numbered messages to agents.

    Attributes:
        said: Set when all requested messages have been sent.
    """

    def __init__(self) -> None:
        self.said = threading.Event()
        self._orders: SimpleQueue[tuple[range, list[str], int] | None] = SimpleQueue()

    def say(self, numbers: range, agents: list[str], size: int) -> None:
        """Send a message of ``size`` bytes for each number, to the agents in turn; ``said`` is set after the last."""
        self.said.clear()
        self._orders.put((numbers, agents, size))

    def end(self) -> None:
        """Stop sending, and close the connection."""
        self._orders.put(None)

    def converse(self, peer: ServerConnection) -> None:
        """Greet a client, and send it the requested messages."""
        reading = threading.Thread(target=_ignore, args=(peer,))
        with suppress(ConnectionClosed):
            peer.send(WELCOME, text=True)
            reading.start()
            while (order := self._orders.get()) is not None:
                for message in messages(*order):
                    peer.send(message, text=True)
                self.said.set()
        peer.close()
        reading.join()


def _ignore(peer: ServerConnection) -> None:
    with suppress(ConnectionClosed):
        while True:
            peer.recv()


def messages(numbers: range, agents: list[str], size: int) -> Iterator[bytes]:
    """Yield the messages in their wire format."""
    for number in numbers:
        agent = agents[number % len(agents)]
        text = f"{stamp(number, agent)} ".ljust(size, "x")
        event = {"agent": agent, "from": "a-person", "message": text}
        yield orjson.dumps(
            {"id": f"e-{number}", "seq": number + 1, "event_type": "agent.message", "payload": event}
        )


@contextmanager
def serving() -> Iterator[tuple[FloodingBackend, str]]:
    """Serve a backend on loopback for the duration of the block; yield it with its URL."""
    backend = FloodingBackend()
    with serve(backend.converse, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield backend, f"ws://127.0.0.1:{_port(server)}/ws"
        finally:
            backend.end()
            server.shutdown()
            thread.join()


def _port(server: Server) -> int:
    return int(server.socket.getsockname()[1])


def wait(condition: threading.Event, seconds: float, what: str) -> float:
    """Wait for an event, and return the seconds that it took.

    Raises:
        TimeoutError: It was not set in time.
    """
    begin = time.monotonic()
    if not condition.wait(seconds):
        raise TimeoutError(f"not within {seconds:.0f} s: {what}")
    return time.monotonic() - begin
