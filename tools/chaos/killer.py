"""The killer: chooses and kills parts of the product at random, and takes away what they rely on."""

import math
import random
import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tools.chaos import agents
from tools.chaos.keeper import Keeper
from tools.chaos.kinds import CLEANED_ALIVE, FROZEN, LASTING, THEFT, Kill
from tools.chaos.looking import sessions
from tools.chaos.proxy import Proxy
from tools.chaos.surroundings import Surroundings
from tools.chaos.thief import Thief

if TYPE_CHECKING:
    import psutil

ACTORS = ("router", "workdir", "feed", "gateway", "sessions", "connection")

ROUNDS, ROUND_SECONDS = 8, 0.3
"""Number of crashes of all actors that make the coordinator give up."""


LONGEST_SWALLOW = 2.5
"""Longest silence of the network, as a multiple of ``freeze``."""


class Killer:
    """Kills at random, in a thread of its own.

    Args:
        rng: The random generator.
        pause: Average seconds between two kills.
        most: Greatest number of kills.
        odds: The weight of each kind of kill.
        surroundings: What is taken away for a while.
        thief: Comes while the backend is down.
        freeze: Longest stop of a process before it is killed, in seconds, and longest time without what was taken away.
        alarm: Set if it can't continue; ``stop`` raises the reason.
    """

    def __init__(
        self,
        rng: random.Random,
        *,
        coordinator: Keeper,
        backend: Keeper,
        proxy: Proxy,
        surroundings: Surroundings,
        thief: Thief,
        journal: Path,
        pause: float,
        most: int,
        odds: Mapping[str, int],
        freeze: float,
        alarm: threading.Event,
    ) -> None:
        self._rng, self._pause, self._most, self._odds = rng, pause, most, dict(odds)
        self._coordinator, self._backend, self._proxy = coordinator, backend, proxy
        self._surroundings, self._thief = surroundings, thief
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
                self._surroundings.give_back(time.monotonic())
                (kind,) = self._rng.choices(list(self._odds), list(self._odds.values()))
                self._kill(kind)
            self._kill_frozen(math.inf)
        except BaseException as error:  # noqa: BLE001 - the thread's boundary: `stop` tells
            self._error = error
            self._alarm.set()
        finally:
            self._surroundings.give_back(math.inf)

    def _kill(self, kind: str) -> None:
        what, _, how = kind.partition(", ")
        if what == "agent":
            self._kill_agent(kind, how)
        elif what == "network":
            self._disturb(kind, how)
        elif what == "actor":
            self._crash_actor()
        elif what == "transcript":
            self._clean(kind)
        elif kind in LASTING:
            self._take_away(kind)
        elif kind == THEFT:
            self._note_if(self._backend.kill(), kind)
            self._thief.start(lambda: self._backend.is_ready)
        else:
            self._kill_program(kind, what, how)

    def _kill_program(self, kind: str, what: str, how: str) -> None:
        if how == "gives up":
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

    def _clean(self, kind: str) -> None:
        """Remove the transcript of an agent, which runs or was killed just before."""
        known = sessions(self._journal)
        alive = agents.claudes(known)
        if not alive:
            return
        agent, claude = self._rng.choice(sorted(alive.items()))
        if kind == CLEANED_ALIVE or agents.send(claude, signal.SIGKILL):
            self._note_if(self._surroundings.clean(known[agent]), kind, agent)

    def _take_away(self, kind: str) -> None:
        seconds = self._freeze * self._rng.uniform(0.2, 1)
        self._note_if(self._surroundings.take_away(kind, self._rng, time.monotonic() + seconds), kind)

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
