"""A process with the whole coordinator, whose router may be slowed, and which looks at how much waits for its actors.

Usage: ``product.py URL DIRECTORY SECONDS``: the router takes so many seconds longer for each event. Ends when its
standard input does, and then prints the most that has waited for each of those that much can wait for, and the memory
that it really holds: without what the allocator keeps of what was given back.
"""

import ctypes
import gc
import json
import os
import sys
import threading
import time
from pathlib import Path

import psutil

from actors.app import tree, tuning
from actors.app.coordinator import Coordinator
from actors.app.logs import set_up_logging
from actors.app.settings import load_defaults
from actors.protocol.backend import EventReceived
from actors.protocol.names import CONNECTION, ROUTER, WORKDIR
from actors.protocol.router import ToRouter
from actors.router import RouterActor, RouterSettings
from actors.router.actor import MirrorDue
from supervisors import ActorContext

AGENT = Path(__file__).with_name("agent.py")
LOOK_SECONDS = 0.01


class SlowRouter(RouterActor):
    """Takes longer for each event; else it is the router that it is."""

    seconds = 0.0

    def __init__(self, context: ActorContext, *, settings: RouterSettings) -> None:
        super().__init__(context, settings=settings)

    def on_receive(self, message: ToRouter | MirrorDue) -> None:
        """Wait, if it is an event, and handle it."""
        if self.seconds and isinstance(message, EventReceived):
            time.sleep(self.seconds)
        super().on_receive(message)


def main(url: str, directory: Path, seconds: float) -> None:
    """Run until the standard input ends."""
    tuning.share_fairly()
    set_up_logging("error")
    SlowRouter.seconds = seconds
    vars(tree)["RouterActor"] = SlowRouter  # the tree has no such door, for good reasons
    project = directory / "project"
    project.mkdir()
    settings = load_defaults(
        work_dir=directory / "work",
        project_dir=project,
        ws_url=url,
        claude_command=(sys.executable, "-I", "-S", str(AGENT)),
    )
    environment = {name: value for name, value in os.environ.items() if name.startswith("PRESSURE_")}
    coordinator = Coordinator(
        settings, environment={"HOME": str(directory), "PATH": os.environ["PATH"], **environment}
    )
    for name in os.environ["PRESSURE_AGENTS"].split():
        (coordinator.workdir.prompts / f"{name}.md").write_text("An agent under pressure.")
    coordinator.start()
    tuning.settle()
    waited: dict[str, int] = {CONNECTION: 0, ROUTER: 0, WORKDIR: 0}
    over = threading.Event()
    looking = threading.Thread(target=look, args=(coordinator, waited, over))
    looking.start()
    try:
        print("ready", flush=True)
        sys.stdin.readline()
    finally:
        over.set()
        looking.join()
        held = trimmed()
        abandoned = coordinator.stop()
    print(json.dumps({"abandoned": abandoned, "waited": waited, "held": held}), flush=True)


def trimmed() -> int:
    """The process' memory in bytes, once the allocator has given back what it can (where it is glibc's)."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
    return int(psutil.Process().memory_info().rss)


def look(coordinator: Coordinator, waited: dict[str, int], over: threading.Event) -> None:
    """Keep the most that has waited for each of these actors."""
    while not over.wait(LOOK_SECONDS):
        for name, most in waited.items():
            waited[name] = max(most, coordinator.system.handle(name).waiting)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))
