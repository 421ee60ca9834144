"""A stage for a session actor: a router that records and answers like the real one, and views of all that happens."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from actors.agents.prompt import AgentPrompt, find_prompt
from actors.lib.process_marks import MARK
from actors.protocol.deliveries import Delivery, DeliveryKind, DeliveryState, DeliveryStep
from actors.protocol.feed import Activity, AgentActive
from actors.protocol.names import FEED, ROUTER, session_name
from actors.protocol.sessions import (
    Adopt,
    Deliver,
    Progressed,
    SessionChanged,
    SessionReady,
    SessionState,
    TurnEnded,
)
from actors.session import SessionActor, SessionSettings
from actors.session.clock import Clock
from actors.session.drive import Drive, DriveFactory, FromDrive, Owner
from actors.session.drives.stream.drive import StreamDrive
from actors.session.drives.stream.place import TranscriptPlace
from supervisors import ActorContext, AddressBook, RestartChild, StopChild
from tests.actors.session.clock import StageClock
from tests.actors.support import DEADLINE, Record, child, recorder, running
from tools.common.model_api import ModelApi

AGENT = "coder"
NAME = session_name(AGENT)
NOWHERE = "http://127.0.0.1:9"
"""The gateway: these tests need none."""


class NoRoom:
    """Recorded where a drive's reader waits, as its session's mailbox is full."""


class Overheard:
    """Stands between a drive and its session, and records the messages that pass."""

    def __init__(self, owner: Owner, record: Record) -> None:
        self._owner = owner
        self._record = record

    def tell(self, message: FromDrive) -> None:
        """Pass it on."""
        self._owner.tell(message)
        self._record.add(message)

    def wait_for_room(self, limit: int, timeout: float) -> bool:
        """Wait for room."""
        there = self._owner.wait_for_room(limit, timeout)
        if not there:
            self._record.add(NoRoom())
        return there


class Stage:
    """One agent's session actor, with the router's place taken by a recorder.

    Args:
        directory: For everything that it needs.
        command: The claude to run.
        environment: What claude runs in.
        api: Where the real claude asks; None for others.
    """

    def __init__(
        self,
        directory: Path,
        command: tuple[str, ...],
        environment: dict[str, str],
        api: ModelApi | None = None,
    ) -> None:
        self.work, self.files, self.prompts = directory / "work", directory / "files", directory / "prompts"
        for each in (self.work, self.files, self.prompts, directory / "home"):
            each.mkdir(exist_ok=True)
        self.api = api
        self.environment = environment
        self.session_id = str(uuid4())
        self.record = Record()
        self.feed = Record()
        self.news = Record()
        self.clock = StageClock()
        self.drives: list[Drive] = []
        self.given: dict[str, Delivery] = {}
        self.outstanding: dict[str, Delivery] = {}
        self._outstanding = threading.Lock()
        self._stack = ExitStack()
        (self.prompts / f"{AGENT}.txt").write_text("You write code.")
        self.options: dict[str, Any] = {
            "command": command,
            "directory": self.work,
            "environment": environment,
            "files": self.files,
            "readable": self.work,
            "results": lambda agent: self.work / "results" / agent / "task_result_*.json",
            "pipe": lambda agent: self.work / f"agent_session_{agent}.pipe",
            "prompt": self._prompt,
            "gateway_url": NOWHERE,
            "token": lambda agent: f"token-of-{agent}",
        }

    def _prompt(self, agent: str) -> AgentPrompt:
        found = find_prompt(agent, self.prompts, self.prompts)
        return found.model_copy(update={"extra_arguments": ("--allowedTools", "Bash(until:*)")})

    # ------------------------------------------------------------ the play

    def start(
        self,
        *,
        faults: dict[str, Any] | None = None,
        before: tuple[Deliver, ...] = (),
        drive: DriveFactory = StreamDrive,
        **options: Any,
    ) -> None:
        """Start the actor.

        Args:
            faults: What the stand-in does wrong.
            before: What waits in its mailbox already.
            drive: Makes its drive.
            options: Other settings of the session.
        """
        if faults is not None:
            self.environment["SCRIPTED_CLAUDE_FAULTS"] = json.dumps(faults)
        settings = SessionSettings(**self.options | options)
        session = child(NAME, partial(self._session, settings, before, drive))
        neighbours = recorder(ROUTER, self.record, self._react), recorder(FEED, self.feed)
        self.system = self._stack.enter_context(running(*neighbours, session))

    def _session(
        self,
        settings: SessionSettings,
        before: tuple[Deliver, ...],
        drive: DriveFactory,
        context: ActorContext,
    ) -> SessionActor:
        if context.incarnation == 1:
            for each in before:
                context.handle.tell(each)

        def make(agent: str, settings: SessionSettings, owner: Owner, clock: Clock, /) -> Drive:
            self.drives.append(drive(agent, settings, Overheard(owner, self.news), clock))
            return self.drives[-1]

        return SessionActor(context, agent=AGENT, settings=settings, drive=make, clock=self.clock)

    def close(self) -> None:
        """Stop it."""
        self._stack.close()

    def stop(self) -> None:
        """Stop the session only: the router is there to hear of it."""
        self.system.handle("root").ask(StopChild(NAME), timeout=DEADLINE)

    def restart_actor(self) -> None:
        """Start a stopped session again."""
        self.system.handle("root").ask(RestartChild(NAME), timeout=DEADLINE)

    def _react(self, context: ActorContext, message: object) -> None:
        """Answer as the router does: give a new session its conversation and what isn't over."""
        if isinstance(message, SessionReady):
            self.give(context.system)
        elif isinstance(message, Progressed):
            with self._outstanding:
                for step in message.steps:
                    self._take(step)

    def give(self, system: AddressBook) -> None:
        """Answer an announcement of the session as a router does."""
        session = system.handle(NAME)
        session.tell(Adopt(session_id=self.session_id))
        with self._outstanding:
            for delivery in self.outstanding.values():
                session.tell(Deliver(delivery=delivery))

    def _take(self, step: DeliveryStep) -> None:
        delivery = self.outstanding.get(step.delivery_id)
        if delivery is None:
            return
        if step.state.is_final:
            del self.outstanding[delivery.id]
        else:
            changed = {"state": step.state, "attempts": step.attempts or delivery.attempts}
            self.outstanding[delivery.id] = delivery.model_copy(update=changed)

    def tell(self, message: object) -> None:
        """Send the session a message."""
        self.system.handle(NAME).tell(message)

    def deliver(self, text: str, *, tell: bool = True, **fields: Any) -> str:
        """Deliver a context; return its id."""
        delivery = Delivery(id=str(uuid4()), agent=AGENT, kind=DeliveryKind.MESSAGE, text=text, **fields)
        with self._outstanding:
            self.given[delivery.id] = self.outstanding[delivery.id] = delivery
        if tell:
            self.tell(Deliver(delivery=delivery))
        return delivery.id

    def kill(self) -> int:
        """Kill claude; return its pid."""
        pid = self.pid
        os.kill(pid, signal.SIGKILL)
        return pid

    def crash(self, nth: int = 1) -> None:
        """Kill claude, and wait until the session has noticed: the nth crash so far."""
        self.kill()
        self.wait_state(SessionState.CRASHED, nth)

    @property
    def drive(self) -> Drive:
        """The drive of the present incarnation."""
        return self.drives[-1]

    @property
    def pid(self) -> int:
        """The process of claude."""
        pids = [change.pid for change in self.record.all(SessionChanged) if change.pid is not None]
        return pids[-1]

    # ------------------------------------------------------------ what there is to see

    def steps(self, delivery_id: str) -> list[DeliveryStep]:
        """Return the steps of a delivery so far."""
        reports = self.record.all(Progressed)
        return [step for report in reports for step in report.steps if step.delivery_id == delivery_id]

    def states(self, delivery_id: str) -> list[str]:
        """Return the states that a delivery went through."""
        return [step.state.value for step in self.steps(delivery_id)]

    def receipts(self, delivery_id: str) -> list[str | None]:
        """Return the evidence of each step."""
        return [step.receipt for step in self.steps(delivery_id)]

    def wait_step(self, delivery_id: str, state: DeliveryState, nth: int = 1) -> DeliveryStep:
        """Wait for the nth step of this delivery into this state."""
        found = lambda: [step for step in self.steps(delivery_id) if step.state is state][nth - 1 :]  # noqa: E731 - one question
        return self.record.wait_until(found, f"{state} of {delivery_id}")[0]

    def wait_completed(self, *delivery_ids: str) -> None:
        """Wait until these are completed."""
        for delivery_id in delivery_ids:
            self.wait_step(delivery_id, DeliveryState.COMPLETED)

    def wait_turn(self, nth: int = 1) -> TurnEnded:
        """Wait for the nth end of a turn."""
        return self.record.wait_for(TurnEnded, nth=nth)

    def wait_state(self, state: SessionState, nth: int = 1) -> SessionChanged:
        """Wait for the nth change into this state."""
        return self.record.wait_for(SessionChanged, lambda change: change.state is state, nth)

    def of_state(self, state: SessionState) -> list[SessionChanged]:
        """Return the changes into this state so far."""
        return [change for change in self.record.all(SessionChanged) if change.state is state]

    @property
    def changes(self) -> list[str]:
        """The states of the session, in order."""
        return [change.state.value for change in self.record.all(SessionChanged)]

    def activities(self) -> list[Activity]:
        """Return the agent's words and actions that the feed was told."""
        return [activity for told in self.feed.all(AgentActive) for activity in told.activities]

    def wait_activity(self, found: Callable[[Activity], bool]) -> Activity:
        """Wait for the first activity that fits."""
        return self.feed.wait_until(lambda: [each for each in self.activities() if found(each)])[0]

    @property
    def transcript_path(self) -> Path | None:
        """The path of the conversation's transcript, if it has one."""
        note = self.files / f"{self.session_id}.transcript"
        return TranscriptPlace(note, self.environment, self.work, self.session_id).find()

    def transcript(self) -> list[dict[str, Any]]:
        """Return the lines of the conversation's transcript."""
        path = self.transcript_path
        lines = path.read_bytes().split(b"\n")[:-1] if path else []
        return [json.loads(line) for line in lines]

    def texts(self) -> list[str]:
        """Return the texts of all messages that have reached Claude, with repetitions."""
        if self.api is not None:
            return self.api.user_texts(self.session_id)
        lines = self.transcript()
        users = [line["message"]["content"] for line in lines if line["type"] == "user"]
        prompts = [line["attachment"]["prompt"] for line in lines if line["type"] == "attachment"]
        return [text for text in [*users, *prompts] if isinstance(text, str)]

    def told(self, part: str) -> int:
        """Count how often a text has reached Claude."""
        return sum(text.count(part) for text in self.texts())

    def wait_transcript(self, found: Callable[[dict[str, Any]], bool]) -> None:
        """Wait for a line of the conversation."""
        wait_for(lambda: any(found(line) for line in self.transcript()))

    def wait_tool(self) -> None:
        """Wait until the use of a tool is in the transcript."""
        self.wait_transcript(lambda line: line["type"] == "assistant" and "tool_use" in str(line))

    def marked(self) -> list[psutil.Process]:
        """Return the living processes of this conversation."""
        return [each for each in psutil.process_iter() if _is_marked(each, self.session_id)]


def _is_marked(process: psutil.Process, session_id: str) -> bool:
    try:
        return process.environ().get(MARK) == session_id
    except psutil.Error:
        return False


def lives(process: psutil.Process) -> bool:
    """Return whether a process lives, and isn't a zombie."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def wait_for(condition: Callable[[], Any], what: str = "that") -> None:
    """Poll for what sends no event: a file that grows, or the end of a process that isn't ours."""
    until = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < until, f"{what} never came"
        time.sleep(0.01)
