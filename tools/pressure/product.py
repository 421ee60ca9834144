"""A process with the whole coordinator, whose router may be slowed, and which watches its actors' queues.

Usage: ``product.py URL DIRECTORY SECONDS AGENT…``. SECONDS is the router's delay for each event. The process ends when
its standard input does, and then prints the greatest length of each watched queue, and its memory without the
allocator's reserve.
"""

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from actors.app.coordinator import Coordinator
from actors.app.tree import ACTORS, Actors
from actors.protocol.backend import EventReceived
from actors.protocol.names import CONNECTION, ROUTER, WORKDIR
from actors.protocol.router import ToRouter
from actors.router import RouterActor, RouterSettings
from actors.router.actor import FeedDue
from supervisors import ActorContext
from tools.common import machine, product

LOOK_SECONDS = 0.01


class SlowRouter(RouterActor):
    """A router with a delay for each event.

    Args:
        seconds: The delay.
    """

    def __init__(self, context: ActorContext, *, settings: RouterSettings, seconds: float) -> None:
        super().__init__(context, settings=settings)
        self._seconds = seconds

    def on_receive(self, message: ToRouter | FeedDue) -> None:
        """Handle a message, an event after the delay."""
        if isinstance(message, EventReceived):
            time.sleep(self._seconds)
        super().on_receive(message)


def main(url: str, directory: Path, seconds: float, agents: list[str]) -> None:
    """Run until standard input ends."""
    actors = Actors(router=partial(SlowRouter, seconds=seconds)) if seconds else ACTORS
    coordinator = product.make(url, directory, agents, log_level="error", actors=actors)
    with product.started(coordinator) as abandoned:
        with looked_at(coordinator) as waited:
            product.wait_until_told()
        held = machine.held()
    print(json.dumps({"abandoned": abandoned, "waited": waited, "held": held}), flush=True)


@contextmanager
def looked_at(coordinator: Coordinator) -> Iterator[dict[str, int]]:
    """Record the greatest queue lengths of the connection, the router and the work directory during the block."""
    waited: dict[str, int] = {CONNECTION: 0, ROUTER: 0, WORKDIR: 0}
    over = threading.Event()
    thread = threading.Thread(target=_look, args=(coordinator, waited, over))
    thread.start()
    try:
        yield waited
    finally:
        over.set()
        thread.join()


def _look(coordinator: Coordinator, waited: dict[str, int], over: threading.Event) -> None:
    while not over.wait(LOOK_SECONDS):
        for name, most in waited.items():
            waited[name] = max(most, coordinator.system.handle(name).waiting)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4:])
