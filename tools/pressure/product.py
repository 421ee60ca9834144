"""A process with the whole coordinator, whose router may be slowed, and which looks at how much waits for its actors.

Usage: ``product.py URL DIRECTORY SECONDS AGENT…``: the router takes so many seconds longer for each event. Ends when
its standard input does, and then prints the most that has waited for each of those that much can wait for, and the
memory that it really holds: without what the allocator keeps of what was given back.
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
    """A router that takes longer for each event.

    Args:
        seconds: So much longer.
    """

    def __init__(self, context: ActorContext, *, settings: RouterSettings, seconds: float) -> None:
        super().__init__(context, settings=settings)
        self._seconds = seconds

    def on_receive(self, message: ToRouter | FeedDue) -> None:
        """Wait, if it is an event, and handle it."""
        if isinstance(message, EventReceived):
            time.sleep(self._seconds)
        super().on_receive(message)


def main(url: str, directory: Path, seconds: float, agents: list[str]) -> None:
    """Run until the standard input ends."""
    actors = Actors(router=partial(SlowRouter, seconds=seconds)) if seconds else ACTORS
    coordinator = product.make(url, directory, agents, log_level="error", actors=actors)
    with product.started(coordinator) as abandoned:
        with looked_at(coordinator) as waited:
            product.wait_until_told()
        held = machine.held()
    print(json.dumps({"abandoned": abandoned, "waited": waited, "held": held}), flush=True)


@contextmanager
def looked_at(coordinator: Coordinator) -> Iterator[dict[str, int]]:
    """Keep the most that waits for each of the actors that much can wait for, while the block runs."""
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
