"""The killer: chooses and kills parts of the product at random."""

import math
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tools.chaos import agents
from tools.chaos.keeper import Keeper
from tools.chaos.looking import sessions
from tools.chaos.proxy import Proxy

if TYPE_CHECKING:
    import psutil

ACTORS = ("router", "workdir", "feed", "gateway", "sessions", "connection")

ROUNDS, ROUND_SECONDS = 8, 0.3
"""Number of crashes of all actors that make the coordinator give up."""


class Kill(NamedTuple):
    """One kill.

    Attributes:
        at: Its time, in seconds since the epoch.
        kind: The kind of part and of kill.
        target: The name of the part, if there are several of that kind.
    """

    at: float
    kind: str
    target: str = ""


LONGEST_SWALLOW = 2.5
"""Longest silence of the network, as a multiple of ``freeze``."""
FROZEN = "agent, SIGSTOP and SIGKILL"
SCRIPTED_ODDS = {
    "coordinator, SIGKILL": 8,
    "coordinator, SIGTERM": 2,
    "coordinator, gives up": 1,
    "agent, SIGKILL": 16,
    "agent, group": 8,
    "agent, SIGTERM": 6,
    FROZEN: 6,
    "backend": 7,
    "actor": 24,
    "network, cut": 7,
    "network, cut in a message": 6,
    "network, half-open": 3,
    "network, delay": 6,
}
"""Percentage of each kind of kill."""


class Killer:
    """Kills at random, in a thread of its own.

    Args:
        rng: The random generator.
        pause: Average seconds between two kills.
        most: Greatest number of kills.
        odds: The weight of each kind of kill.
        freeze: Longest stop of a process before it is killed, in seconds.
        alarm: Set if it can't continue; ``stop`` raises the reason.
    """

    def __init__(
        self,
        rng: random.Random,
        *,
        coordinator: Keeper,
        backend: Keeper,
        proxy: Proxy,
        journal: Path,
        pause: float,
        most: int,
        odds: Mapping[str, int],
        freeze: float,
        alarm: threading.Event,
    ) -> None:
        self._rng, self._pause, self._most, self._odds = rng, pause, most, dict(odds)
        self._coordinator, self._backend, self._proxy = coordinator, backend, proxy
        self._journal, self._freeze = journal, freeze
        self._stopped, self._alarm = threading.Event(), alarm
        self._frozen: list[tuple[float, str, psutil.Process]] = []
        self._thread = threading.Thread(target=self._run, name="killer", daemon=True)
        self._error: BaseException | None = None
        self.kills: list[Kill] = []

    def start(self) -> None:
        """Start to kill."""
        self._thread.start()

    def stop(self) -> list[Kill]:
        """Stop, continue the stopped processes, and return all kills in order.

        Raises:
            BaseException: The error that stopped its thread.
        """
        self._stopped.set()
        self._thread.join()
        if self._error is not None:
            raise self._error
        return sorted(self.kills)

    def _run(self) -> None:
        try:
            due = time.monotonic()
            while len(self.kills) < self._most:
                due += self._rng.expovariate(1 / self._pause)
                if self._stopped.wait(max(0.0, due - time.monotonic())):
                    break
                self._kill_frozen(time.monotonic())
                (kind,) = self._rng.choices(list(self._odds), list(self._odds.values()))
                self._kill(kind)
            self._kill_frozen(math.inf)
        except BaseException as error:  # noqa: BLE001 - the thread's boundary: `stop` tells
            self._error = error
            self._alarm.set()

    def _kill(self, kind: str) -> None:
        what, _, how = kind.partition(", ")
        if what == "agent":
            self._kill_agent(kind, how)
        elif what == "network":
            self._disturb(kind, how)
        elif what == "actor":
            self._crash_actor()
        elif how == "gives up":
            self._crash_all_actors(kind)
        else:
            program = self._coordinator if what == "coordinator" else self._backend
            number = signal.SIGTERM if how == "SIGTERM" else signal.SIGKILL
            self._note_if(program.kill(number), kind)

    def _note(self, kind: str, target: str = "") -> None:
        self.kills.append(Kill(time.time(), kind, target))

    def _note_if(self, done: bool, kind: str, target: str = "") -> None:  # noqa: FBT001 - whether it still lived
        if done:
            self._note(kind, target)

    def _kill_agent(self, kind: str, how: str) -> None:
        alive = agents.claudes(sessions(self._journal))
        if not alive:
            return
        agent, claude = self._rng.choice(sorted(alive.items()))
        if how == "SIGSTOP and SIGKILL":
            if agents.send(claude, signal.SIGSTOP):
                until = time.monotonic() + self._rng.uniform(0, self._freeze)
                self._frozen.append((until, agent, claude))
        elif how == "group":
            self._note_if(agents.kill_group(claude), kind, agent)
        else:
            number = signal.SIGTERM if how == "SIGTERM" else signal.SIGKILL
            self._note_if(agents.send(claude, number), kind, agent)

    def _kill_frozen(self, now: float) -> None:
        for frozen in [each for each in self._frozen if each[0] <= now]:
            self._frozen.remove(frozen)
            _, agent, claude = frozen
            self._note_if(agents.send(claude, signal.SIGKILL), FROZEN, agent)

    def _crash_actor(self) -> None:
        names = [*ACTORS, *(f"session:{agent}" for agent in sessions(self._journal))]
        name = self._rng.choice(names)
        if self._coordinator.say(name):
            self._note("actor", name)

    def _crash_all_actors(self, kind: str) -> None:
        """Crash all actors repeatedly, so that the root supervisor gives up and the coordinator must be restarted."""
        self._note_if(self._coordinator.say(ACTORS[0]), kind)
        for _ in range(ROUNDS):
            for name in ACTORS:
                self._coordinator.say(name)
            self._stopped.wait(ROUND_SECONDS)

    def _disturb(self, kind: str, how: str) -> None:
        happened: Callable[[], None] = lambda: self._note(kind)  # noqa: E731 - told from the proxy's thread
        if how == "cut":
            self._proxy.cut(happened, reset=self._rng.random() < 0.5)  # noqa: PLR2004 - as often as not
        elif how == "cut in a message":
            self._proxy.truncate(happened)
        elif how == "half-open":
            # Sometimes too short to be noticed, sometimes long enough for further attempts to fail.
            self._proxy.swallow(self._rng.uniform(0, LONGEST_SWALLOW * self._freeze), happened)
        else:
            self._proxy.delay(self._rng.uniform(0, 1))
