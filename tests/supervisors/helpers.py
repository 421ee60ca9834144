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
    """Where actors write down what they do, and tests wait for it."""

    def __init__(self) -> None:
        self._notes: list[Any] = []
        self._changed = threading.Condition()

    def note(self, *entry: object) -> None:
        """Write something down; a single thing is noted as itself."""
        with self._changed:
            self._notes.append(entry[0] if len(entry) == 1 else entry)
            self._changed.notify_all()

    @property
    def notes(self) -> list[Any]:
        """What was written down so far."""
        with self._changed:
            return list(self._notes)

    def wait_for(self, condition: Callable[[list[Any]], bool]) -> list[Any]:
        """Wait until the notes fulfil the condition."""
        with self._changed:
            held = self._changed.wait_for(lambda: condition(self._notes), DEADLINE)
            assert held, f"not within {DEADLINE} s: {self._notes}"
            return list(self._notes)

    def wait_count(self, count: int, entry: object = None) -> list[Any]:
        """Wait for so many notes (like `entry`, if given)."""
        return self.wait_for(lambda notes: (len(notes) if entry is None else notes.count(entry)) >= count)


class Worker(Actor):
    """Does what it is told: a message that is an exception is raised, a callable is called."""

    def __init__(self, context: ActorContext, *, probe: Probe | None = None) -> None:
        super().__init__(context)
        self.probe = probe or Probe()

    def on_start(self) -> None:
        """Note it."""
        self.probe.note("start", self.context.name, self.context.incarnation)

    def on_receive(self, message: Any) -> Any:
        """Raise, call, or note and give back."""
        if isinstance(message, BaseException):
            raise message
        if callable(message):
            return message(self)
        self.probe.note(message)
        return message

    def on_exit(self, reason: BaseException | None) -> None:
        """Note it."""
        self.probe.note("exit", self.context.name, self.context.incarnation, reason)


class Clock:
    """Stands still unless the test moves it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """The time in seconds."""
        return self.now


class World:
    """A system with everything that it reports, and a probe for its workers."""

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
        """A spec of a worker, restarted without a delay."""
        start = functools.partial(Worker, probe=self.probe)
        return ChildSpec(**{"name": name, "start": start, "backoff": AT_ONCE, **spec})

    def boss(
        self, name: str, *children: ChildSpec, spec: dict[str, Any] | None = None, **policy: Any
    ) -> ChildSpec:
        """A spec of a supervisor."""
        start = functools.partial(Supervisor, children=children, **policy)
        return ChildSpec(**{"name": name, "start": start, "backoff": AT_ONCE, **(spec or {})})

    def start(self, *children: ChildSpec, **policy: Any) -> None:
        """Start the system with a supervisor named root."""
        self.system.start(self.boss("root", *children, **policy))

    def started(self) -> list[tuple[str, int]]:
        """Which incarnation of which worker was started, in order."""
        return [note[1:] for note in self.probe.notes if note[0] == "start"]

    def ended(self) -> list[str]:
        """Which workers came to their exit, in order."""
        return [note[1] for note in self.probe.notes if note[0] == "exit"]

    def status(self) -> dict[str, ChildStatus]:
        """The root's children."""
        children: list[ChildInfo] = self.ask("root", WhichChildren())
        return {child.name: child.status for child in children}

    def tell(self, name: str, message: object) -> None:
        """Tell somebody something."""
        self.system.handle(name).tell(message)

    def ask(self, name: str, message: object) -> Any:
        """Ask somebody something."""
        return self.system.handle(name).ask(message, timeout=DEADLINE)

    def wait_started(self, name: str, incarnation: int) -> None:
        """Wait for an incarnation of a worker."""
        self.probe.wait_count(1, ("start", name, incarnation))

    def wait_exit(self, name: str, incarnation: int) -> ExitReport:
        """Wait for the end of an incarnation."""
        self.news.wait_count(1, ("exit", name, incarnation))
        return self.exit_of(name, incarnation)

    def exit_of(self, name: str, incarnation: int) -> ExitReport:
        """The one report of an incarnation's end."""
        (report,) = [
            report for report in self.exits if (report.name, report.incarnation) == (name, incarnation)
        ]
        return report


class Gate:
    """Holds an actor in its handler until the test opens it."""

    def __init__(self) -> None:
        self.entered: SimpleQueue[None] = SimpleQueue()
        self._open = threading.Event()

    def __call__(self, _actor: object = None) -> str:
        """Stay here until the gate is open."""
        self.entered.put(None)
        assert self._open.wait(DEADLINE)
        return "through"

    def wait_entered(self) -> None:
        """Wait until an actor has come here."""
        self.entered.get(timeout=DEADLINE)

    def open(self) -> None:
        """Let it, and all after it, through."""
        self._open.set()


def until(condition: Callable[[], bool], seconds: float = DEADLINE) -> None:
    """Wait for what has no event of its own."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.002)
