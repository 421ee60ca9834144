"""A simulated person who looks after blocked agents: those that a hook has stopped are tried again."""

import random
import threading
from contextlib import suppress
from pathlib import Path

from tools.chaos.looking import look
from tools.chaos.people import RestClient, UnknownOutcomeError
from tools.chaos.surroundings import HOOK

LOOK = 0.5, 2.0
"""Seconds between two looks."""
BLOCKED = f"SELECT agent FROM agents WHERE state = 'blocked' AND detail LIKE '%{HOOK}%'"  # noqa: S608 - our own words


class Helper:
    """Retries, from a thread, the agents that the hooks of the chaos have blocked. Other blocks are findings.

    Args:
        gateway: The coordinator's REST interface.
        journal: The coordinator's journal.

    Attributes:
        retried: The number of retries.
    """

    def __init__(self, rng: random.Random, gateway: RestClient, journal: Path) -> None:
        self._rng, self._gateway, self._journal = rng, gateway, journal
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="helper", daemon=True)
        self.retried = 0

    def start(self) -> None:
        """Start to look."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the current look."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._rng.uniform(*LOOK)):
            for (agent,) in look(self._journal, BLOCKED):
                with suppress(UnknownOutcomeError):  # the next look tells
                    self._gateway.call("POST", f"/api/agents/{agent}/start", {})
                    self.retried += 1
