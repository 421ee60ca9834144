"""The coordinator as a whole: its end, and what needs no program to be seen."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest

from actors.app.coordinator import Coordinator
from actors.app.settings import load_defaults
from actors.app.tree import SCRIPTED, Actors
from actors.journal.reader import JournalReader
from actors.lib import deadlines
from actors.lib.process_marks import MARK
from actors.protocol.backend import InputRejected
from actors.protocol.deliveries import Delivery, DeliveryKind, DeliveryState
from actors.protocol.names import ROUTER
from actors.protocol.reports import SendMessage
from actors.protocol.sessions import Deliver, Progressed
from actors.router import RouterActor, RouterSettings
from supervisors import ActorContext, DeadLetter, Intensity, RestartIntensityExceeded
from tests.actors.support import Record, recorder, running
from tests.claude import scripted_environment
from tests.supervisors.helpers import until

NOWHERE = "ws://127.0.0.1:9/ws"


def test_a_context_that_kills_its_session_twice_is_a_dead_letter_with_the_traceback(tmp_path: Path) -> None:
    coordinator = Coordinator(load_defaults(work_dir=tmp_path / "work", project_dir=tmp_path))
    delivery = Delivery(id="d-1", agent="coder", kind=DeliveryKind.MESSAGE, text="poison")
    letter = DeadLetter(
        name="session:coder",
        message=Deliver(delivery=delivery),
        reason=RuntimeError("x"),
        traceback="Traceback: here",
        kills=2,
        incarnations=(1, 2),
    )
    record = Record()
    with running(recorder(ROUTER, record)) as system:
        coordinator.system = system
        coordinator._dead_letter(letter)
        (step,) = record.wait_for(Progressed).steps
        rejected = record.wait_for(InputRejected)
    assert (step.delivery_id, step.state) == ("d-1", DeliveryState.DEAD)
    assert "killed its session twice: Traceback: here" in (step.reason or "")
    assert rejected.origin == "actor session:coder"


def test_a_prompt_that_cannot_be_used_is_told_of_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nowhere = "ws://127.0.0.1:9/ws"
    settings = load_defaults(work_dir=tmp_path / "work", project_dir=tmp_path, ws_url=nowhere)
    coordinator = Coordinator(settings)
    prompts = coordinator.workdir.prompts
    prompts.mkdir(exist_ok=True)
    (prompts / "coder.md").write_text("---\npermissionMode: yolo\n---\nYou write code.")
    coordinator.start()
    assert coordinator.stop() == []
    (told,) = [record for record in caplog.records if "prompt_unusable" in record.getMessage()]
    assert "coder.md, line 2: permissionMode must be one of" in told.getMessage()


class Mortal(RouterActor):
    """A router that dies of the first thing that it is told."""

    made: ClassVar[list[int]] = []

    def __init__(self, context: ActorContext, *, settings: RouterSettings) -> None:
        super().__init__(context, settings=settings)
        self.made.append(context.incarnation)

    def on_receive(self, message: object) -> None:
        """Die."""
        raise RuntimeError(f"no {type(message).__name__}")


@pytest.mark.expected_errors("child_exited", "message_dead")
def test_actors_and_their_restarts_may_be_handed_in(tmp_path: Path) -> None:
    coordinator = Coordinator(
        load_defaults(work_dir=tmp_path / "work", project_dir=tmp_path, ws_url=NOWHERE),
        actors=Actors(router=Mortal),
        restarts=Intensity(restarts=1, period=60.0),
    )
    coordinator.start()
    coordinator.system.handle(ROUTER).tell("a word")
    report = coordinator.wait()
    assert coordinator.stop() == []
    assert report is not None
    assert isinstance(report.reason, RestartIntensityExceeded)
    assert Mortal.made == [1, 2]


@pytest.fixture
def coordinator(tmp_path: Path) -> Iterator[Coordinator]:
    """One that runs, with agents that are stubborn, and no backend to talk to."""
    settings = load_defaults(
        work_dir=tmp_path / "work", project_dir=tmp_path, claude_command=SCRIPTED, ws_url=NOWHERE
    )
    environment = scripted_environment(tmp_path) | {"SCRIPTED_CLAUDE_FAULTS": '{"ignore_sigterm": true}'}
    coordinator = Coordinator(settings, environment=environment)
    coordinator.start()
    yield coordinator
    assert coordinator.stop() == []


def tell(coordinator: Coordinator, agent: str, *steps: dict[str, Any]) -> None:
    """Send an agent a message that says what to do."""
    text = f"@play {json.dumps(steps)}"
    message = SendMessage(agent=agent, text=text, sender="somebody", source="person")
    coordinator.system.handle(ROUTER).tell(message)


def processes(coordinator: Coordinator) -> list[str]:
    """Return the running processes of the agents' sessions: claudes, and the tools that they started."""
    reader = JournalReader(coordinator.workdir.journal)
    sessions = {row["session_id"] for row in reader.agents()}
    reader.close()
    return [" ".join(each.cmdline()) for each in psutil.process_iter() if session_of(each) in sessions]


def session_of(process: psutil.Process) -> str | None:
    """The session that a living process belongs to."""
    try:
        return process.environ().get(MARK) if process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.Error:
        return None  # gone, or somebody else's


def test_an_end_takes_no_longer_than_people_and_systemd_wait() -> None:
    assert deadlines.ALL <= 10
    assert deadlines.CLAUDE < deadlines.SESSION < deadlines.SESSIONS < deadlines.ALL


@pytest.mark.timeout(240)
def test_stubborn_agents_with_tools_are_ended_all_at_once_and_nobody_is_abandoned(
    coordinator: Coordinator, tmp_path: Path, gate: Path
) -> None:
    # Given five agents that don't heed SIGTERM, each with a tool that runs
    agents = [f"agent-{number}" for number in range(5)]
    coordinator.workdir.prompts.mkdir(exist_ok=True)
    for agent in agents:
        (coordinator.workdir.prompts / f"{agent}.txt").write_text("You wait.")
        tool = f"until touch {tmp_path}/{agent}.works && [ -e {gate} ]; do sleep 0.1; done"
        tell(coordinator, agent, {"bash": tool})
    until(lambda: len(list(tmp_path.glob("*.works"))) == len(agents), seconds=60)
    assert len(processes(coordinator)) >= 2 * len(agents)
    # When all is stopped, in less time than these would take one after the other
    assert len(agents) * deadlines.CLAUDE > deadlines.SESSIONS
    abandoned = coordinator.stop()
    # Then nobody was given up, and nothing is left
    assert abandoned == []
    assert processes(coordinator) == []


def test_what_happened_last_is_in_the_history_for_people(coordinator: Coordinator) -> None:
    router = coordinator.system.handle(ROUTER)
    for number in range(20):
        tell(coordinator, "coding-agent", {"say": f"number {number}"})
    until(lambda: router.waiting == 0)
    assert coordinator.stop() == []
    history = [json.loads(line) for line in coordinator.workdir.history.read_text().splitlines()]
    reader = JournalReader(coordinator.workdir.journal)
    journal = reader.events(limit=1000)
    reader.close()
    assert "number 19" in str(journal)
    assert [event["number"] for event in history] == sorted(event["number"] for event in journal)
