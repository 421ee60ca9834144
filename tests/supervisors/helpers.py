"""Small actors and waits for the tests of supervision."""

from __future__ import annotations

import functools
import threading
import time
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from supervisors import (
    Actor,
    ActorContext,
    Backoff,
    ChildInfo,
    ChildSpec,
    ChildStatus,
    DeadLetter,
    ExitReport,
    Strategy,
    Supervisor,
    System,
    WhichChildren,
)

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINE = 30.0  # seconds; for what is expected to happen at once, also on a busy machine
AT_ONCE = Backoff(initial=0.0, maximum=0.0)
ORDERED = [each for each in Strategy if each is not Strategy.SIMPLE_ONE_FOR_ONE]


class Probe:
    """A record of actors' actions, on which tests can wait."""

    def __init__(self) -> None:
        self._notes: list[Any] = []
        self._changed = threading.Condition()

    def note(self, *entry: object) -> None:
        """Append an entry; a single value is recorded as itself."""
        with self._changed:
            self._notes.append(entry[0] if len(entry) == 1 else entry)
            self._changed.notify_all()

    @property
    def notes(self) -> list[Any]:
        """The entries so far."""
        with self._changed:
            return list(self._notes)

    def wait_for(self, condition: Callable[[list[Any]], bool]) -> list[Any]:
        """Wait until the entries satisfy the condition."""
        with self._changed:
            held = self._changed.wait_for(lambda: condition(self._notes), DEADLINE)
            assert held, f"not within {DEADLINE} s: {self._notes}"
            return list(self._notes)

    def wait_count(self, count: int, entry: object = None) -> list[Any]:
        """Wait for this many entries (equal to `entry`, if given)."""
        return self.wait_for(lambda notes: (len(notes) if entry is None else notes.count(entry)) >= count)


class Worker(Actor):
    """Obeys its messages: an exception is raised, a callable is called."""

    def __init__(self, context: ActorContext, *, probe: Probe | None = None) -> None:
        super().__init__(context)
        self.probe = probe or Probe()

    def on_start(self) -> None:
        """Record the start."""
        self.probe.note("start", self.context.name, self.context.incarnation)

    def on_receive(self, message: Any) -> Any:
        """Raise or call the message, or record and return it."""
        if isinstance(message, BaseException):
            raise message
        if callable(message):
            return message(self)
        self.probe.note(message)
        return message

    def on_exit(self, reason: BaseException | None) -> None:
        """Record the exit."""
        self.probe.note("exit", self.context.name, self.context.incarnation, reason)


class Clock:
    """A clock that stands still unless the test moves it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """Return the time in seconds."""
        return self.now


class World:
    """A system with all its reports, and a probe for its workers."""

    def __init__(self) -> None:
        self.exits: list[ExitReport] = []
        self.dead: list[DeadLetter] = []
        self.probe = Probe()
        self.news = Probe()
        self.clock = Clock()
        self.system = System(on_dead_letter=self._dead_letter, on_exit=self._exit, clock=self.clock)

    def _dead_letter(self, letter: DeadLetter) -> None:
        self.dead.append(letter)
        self.news.note("dead", letter.name)

    def _exit(self, report: ExitReport) -> None:
        self.exits.append(report)
        self.news.note("exit", report.name, report.incarnation)

    def worker(self, name: str, **spec: Any) -> ChildSpec:
        """Return the spec of a worker that is restarted without a delay."""
        start = functools.partial(Worker, probe=self.probe)
        return ChildSpec(**{"name": name, "start": start, "backoff": AT_ONCE, **spec})

    def boss(
        self, name: str, *children: ChildSpec, spec: dict[str, Any] | None = None, **policy: Any
    ) -> ChildSpec:
        """Return the spec of a supervisor."""
        start = functools.partial(Supervisor, children=children, **policy)
        return ChildSpec(**{"name": name, "start": start, "backoff": AT_ONCE, **(spec or {})})

    def start(self, *children: ChildSpec, **policy: Any) -> None:
        """Start the system with a supervisor named root."""
        self.system.start(self.boss("root", *children, **policy))

    def started(self) -> list[tuple[str, int]]:
        """Return the names and incarnations of the started workers, in order."""
        return [note[1:] for note in self.probe.notes if note[0] == "start"]

    def ended(self) -> list[str]:
        """Return the names and incarnations of the workers that ended, in order."""
        return [note[1] for note in self.probe.notes if note[0] == "exit"]

    def status(self) -> dict[str, ChildStatus]:
        """Return the root's children."""
        children: list[ChildInfo] = self.ask("root", WhichChildren())
        return {child.name: child.status for child in children}

    def tell(self, name: str, message: object) -> None:
        """Tell an actor a message."""
        self.system.handle(name).tell(message)

    def ask(self, name: str, message: object) -> Any:
        """Ask an actor a message."""
        return self.system.handle(name).ask(message, timeout=DEADLINE)

    def wait_started(self, name: str, incarnation: int) -> None:
        """Wait for an incarnation of a worker."""
        self.probe.wait_count(1, ("start", name, incarnation))

    def wait_exit(self, name: str, incarnation: int) -> ExitReport:
        """Wait for the end of an incarnation."""
        self.news.wait_count(1, ("exit", name, incarnation))
        return self.exit_of(name, incarnation)

    def exit_of(self, name: str, incarnation: int) -> ExitReport:
        """Return the exit report of an incarnation."""
        (report,) = [
            report for report in self.exits if (report.name, report.incarnation) == (name, incarnation)
        ]
        return report


class Gate:
    """Holds an actor in its handler until the test opens the gate."""

    def __init__(self) -> None:
        self.entered: SimpleQueue[None] = SimpleQueue()
        self._open = threading.Event()

    def __call__(self, _actor: object = None) -> str:
        """Wait until the gate is open."""
        self.entered.put(None)
        assert self._open.wait(DEADLINE)
        return "through"

    def wait_entered(self) -> None:
        """Wait until an actor waits at the gate."""
        self.entered.get(timeout=DEADLINE)

    def open(self) -> None:
        """Let this actor and all later ones through."""
        self._open.set()


def until(condition: Callable[[], bool], seconds: float = DEADLINE) -> None:
    """Poll a condition that has no event of its own until it holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.002)
