"""The contract of a session host, which any implementation must hold to: one more is one more maker in ``HOSTS``."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

import pytest

from actors.protocol.names import SESSIONS, SessionAddress
from actors.protocol.sessions import Adopt, Unblock
from actors.router import LocalSessionHost, SessionHost
from supervisors import ActorContext, Backoff, ChildSpec, Intensity, Strategy, Supervisor
from supervisors.drill import crash
from tests.actors.support import Record, Recorder, child, running

CODER, TESTER, SECOND = SessionAddress("coder"), SessionAddress("tester"), SessionAddress("coder", 2)


class Sessions:
    """Sessions that remember what they were told, by address; each tells when it starts."""

    def __init__(self) -> None:
        self.told: dict[SessionAddress, Record] = {each: Record() for each in (CODER, TESTER, SECOND)}
        self.starts = Record()

    def make(self, session: SessionAddress, context: ActorContext) -> Recorder:
        """Make the actor of a session."""
        self.starts.add(session)
        return Recorder(context, record=self.told[session])

    def spec(self, session: SessionAddress) -> ChildSpec:
        """Make its child spec."""
        return ChildSpec(
            name=session.name, start=partial(self.make, session), backoff=Backoff(initial=0, maximum=0)
        )


@contextmanager
def local(sessions: Sessions) -> Iterator[tuple[SessionHost, Callable[[SessionAddress], None]]]:
    """Run a local host; with it comes a way to crash a session."""
    supervisor = partial(
        Supervisor, strategy=Strategy.SIMPLE_ONE_FOR_ONE, intensity=Intensity(restarts=20, period=30.0)
    )
    with running(child(SESSIONS, supervisor)) as system:
        host = LocalSessionHost(system, sessions.spec)
        yield host, lambda session: crash(system, session.name, RuntimeError("drill"))


Run = Callable[[Sessions], AbstractContextManager[tuple[SessionHost, Callable[[SessionAddress], None]]]]
HOSTS: list[Run] = [local]


@pytest.mark.parametrize("run", HOSTS)
def test_ensure_is_idempotent_and_starts_each_session_once(run: Run) -> None:
    sessions = Sessions()
    with run(sessions) as (host, _):
        for session in (CODER, CODER, TESTER, SECOND, CODER):
            host.ensure(session)
        host.tell(SECOND, Unblock())
        sessions.told[SECOND].wait_for(Unblock)
        host.tell(CODER, Unblock())
        sessions.told[CODER].wait_for(Unblock)
    assert sessions.starts.all(SessionAddress) == [CODER, TESTER, SECOND]


@pytest.mark.parametrize("run", HOSTS)
def test_messages_arrive_in_order_at_their_session_only(run: Run) -> None:
    sessions = Sessions()
    with run(sessions) as (host, _):
        host.ensure(CODER)
        host.ensure(SECOND)
        for number in range(100):
            host.tell(CODER, Adopt(session_id=f"{number}"))
            host.tell(SECOND, Adopt(session_id=f"second {number}"))
        sessions.told[CODER].wait_for(Adopt, nth=100)
        sessions.told[SECOND].wait_for(Adopt, nth=100)
    ids = [each.session_id for each in sessions.told[CODER].all(Adopt)]
    assert ids == [str(number) for number in range(100)]
    assert {each.session_id.split()[0] for each in sessions.told[SECOND].all(Adopt)} == {"second"}


@pytest.mark.parametrize("run", HOSTS)
def test_telling_nobody_neither_fails_nor_starts_anything(run: Run) -> None:
    sessions = Sessions()
    with run(sessions) as (host, _):
        host.tell(TESTER, Unblock())
        host.ensure(CODER)
        host.tell(CODER, Unblock())
        sessions.told[CODER].wait_for(Unblock)
    assert sessions.starts.all(SessionAddress) == [CODER]


@pytest.mark.expected_errors("child_exited")
@pytest.mark.parametrize("run", HOSTS)
def test_a_session_that_crashed_is_reached_under_the_same_address(run: Run) -> None:
    sessions = Sessions()
    with run(sessions) as (host, kill):
        host.ensure(CODER)
        host.tell(CODER, Adopt(session_id="before"))
        sessions.told[CODER].wait_for(Adopt)
        kill(CODER)
        host.tell(CODER, Adopt(session_id="after"))
        sessions.told[CODER].wait_for(Adopt, lambda each: each.session_id == "after")
