"""The tree of actors, with its order of starting and the arguments of each actor."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pydantic import SecretStr

from actors.agents.prompt import PRODUCT_PROMPTS, agents_with_prompts, find_prompt
from actors.app.environment import ROOT
from actors.app.listeners import Listeners
from actors.app.settings import Settings
from actors.connection import ConnectionActor
from actors.embedded import BackendActor, read_token
from actors.feed import FeedActor
from actors.gateway import GatewayActor, Tokens
from actors.lib import deadlines
from actors.protocol.names import (
    BACKEND,
    CONNECTION,
    FEED,
    GATEWAY,
    ROUTER,
    SESSIONS,
    WORKDIR,
    SessionAddress,
)
from actors.protocol.reports import ReportBlocked, ReportCompletion
from actors.protocol.sessions import SessionsLost
from actors.router import ContextBuilder, LocalSessionHost, RouterActor, RouterSettings, SessionHost
from actors.scripted_claude.launch import command as scripted_command
from actors.session import SessionActor, SessionSettings
from actors.workdir import WorkDir, last_exported
from actors.workdir.actor import WorkdirActor
from actors.workdir.results import ResultFile, read_result
from supervisors import (
    Actor,
    ActorContext,
    AddressBook,
    Backoff,
    ChildSpec,
    Intensity,
    Restart,
    Strategy,
    Supervisor,
)

RESTARTS = Intensity(restarts=20, period=120.0)
"""More restarts than these end the process, for its service manager to restart."""
START_SECONDS = 20.0
"""Seconds that an actor may take to start."""
SALVAGE_RATE = 5_000_000
"""Bytes of a journal that can be checked and salvaged per second, even on a slow disk."""
LONGEST_BACKOFF = 5.0
"""Seconds; short enough that an actor which always fails reaches the limit of `RESTARTS`."""


@dataclass(frozen=True)
class Actors:
    """The makers of the tree's actors. The defaults are the product's own; tests and tools can replace them.

    Each takes an `ActorContext` and the keyword arguments of the class that it replaces. For example, a router that
    takes longer for each event: ``Actors(router=partial(SlowRouter, seconds=0.1))``.
    """

    backend: Callable[..., Actor] = BackendActor
    workdir: Callable[..., Actor] = WorkdirActor
    router: Callable[..., Actor] = RouterActor
    feed: Callable[..., Actor] = FeedActor
    gateway: Callable[..., Actor] = GatewayActor
    session: Callable[..., Actor] = SessionActor
    connection: Callable[..., Actor] = ConnectionActor


ACTORS = Actors()


def build_tree(
    settings: Settings,
    workdir: WorkDir,
    listeners: Listeners,
    tokens: Tokens,
    *,
    environment: Mapping[str, str],
    actors: Actors = ACTORS,
    restarts: Intensity = RESTARTS,
) -> ChildSpec:
    """Return the root supervisor's spec.

    Args:
        settings: The settings.
        workdir: The work directory, locked by this process.
        listeners: The listening sockets.
        tokens: The gateway's tokens.
        environment: The environment of claude.
        actors: The makers of the actors.
        restarts: The limit on restarts.
    """
    session = partial(
        _session_spec,
        actors.session,
        _session_settings(settings, workdir, listeners.url, tokens, environment),
    )
    host = partial(LocalSessionHost, spec=session)
    router = partial(actors.router, settings=_router_settings(settings, workdir, host))
    gateway = partial(actors.gateway, listener=listeners.gateway, tokens=tokens, feed=workdir.feed)
    router_seconds = START_SECONDS + _size(workdir.journal) / SALVAGE_RATE
    children = [  # stopped in reverse, so that an actor can still report its end to those before it
        _spec(WORKDIR, partial(actors.workdir, workdir=workdir), deadlines.WORKDIR),
        _spec(ROUTER, router, deadlines.ROUTER, start_timeout=router_seconds),
        _spec(FEED, partial(actors.feed, path=workdir.feed, limit=settings.log_bytes), deadlines.FEED),
        _spec(GATEWAY, gateway, deadlines.GATEWAY),
        _spec(SESSIONS, _sessions, deadlines.SESSIONS),
        _spec(CONNECTION, partial(_connection, actors.connection, settings, workdir), deadlines.CONNECTION),
    ]
    if settings.ws_url is None:
        backend = partial(
            actors.backend,
            listeners=listeners.backend,
            work_dir=workdir.path,
            root=ROOT,
            database_url=_secret(settings.embedded_database_url),
        )
        children.insert(0, _spec(BACKEND, backend, deadlines.BACKEND, start_timeout=40.0))
    return ChildSpec(
        name="root",
        start=partial(
            Supervisor,
            children=children,
            strategy=Strategy.ONE_FOR_ONE,
            intensity=restarts,
        ),
        restart=Restart.TEMPORARY,
        shutdown=deadlines.ALL,
        start_timeout=120.0 + router_seconds,
    )


SCRIPTED = tuple(scripted_command())


def _spec(
    name: str,
    start: Callable[[ActorContext], Actor],
    shutdown: float,
    *,
    start_timeout: float = START_SECONDS,
) -> ChildSpec:
    return ChildSpec(
        name=name,
        start=start,
        shutdown=shutdown,
        start_timeout=start_timeout,
        backoff=Backoff(initial=0.1, maximum=LONGEST_BACKOFF),
    )


def _secret(value: SecretStr | None) -> str | None:
    return value.get_secret_value() if value is not None else None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _sessions(context: ActorContext) -> Supervisor:
    """Create the supervisor of the sessions; after a restart of it, the router starts the sessions again."""
    if context.incarnation > 1:
        context.system.handle(ROUTER).tell(SessionsLost())
    return Supervisor(
        context, strategy=Strategy.SIMPLE_ONE_FOR_ONE, intensity=Intensity(restarts=20, period=60.0)
    )


def _session_spec(
    make: Callable[..., Actor], settings: SessionSettings, session: SessionAddress
) -> ChildSpec:
    return ChildSpec(
        name=session.name,
        start=partial(make, agent=session.agent, settings=settings),
        shutdown=deadlines.SESSION,
        backoff=Backoff(initial=0.2, maximum=30.0),
    )


def _session_settings(
    settings: Settings, workdir: WorkDir, gateway_url: str, tokens: Tokens, environment: Mapping[str, str]
) -> SessionSettings:
    return SessionSettings(
        command=settings.claude_command,
        directory=settings.project_dir,
        environment=environment,
        files=workdir.sessions,
        readable=workdir.context,
        results=workdir.result_files,
        pipe=workdir.pipe,
        prompt=lambda agent: find_prompt(
            agent, workdir.prompts, PRODUCT_PROMPTS, agents_write=settings.project_dir
        ),
        gateway_url=gateway_url,
        token=tokens.for_agent,
        permission_mode=settings.permission_mode,
        receipt_seconds=settings.receipt_seconds,
        max_attempts=settings.max_delivery_attempts,
        silence_seconds=settings.silence_seconds,
    )


def _router_settings(
    settings: Settings, workdir: WorkDir, host: Callable[[AddressBook], SessionHost]
) -> RouterSettings:
    return RouterSettings(
        journal=workdir.journal,
        context=ContextBuilder(settings.max_context_bytes),
        host=host,
        read_result=partial(_read_report, workdir),
        last_exported=partial(last_exported, workdir.history),
        auto_start=settings.auto_start_sessions,
        queue_size=settings.max_queue_size,
        agents=partial(_agents, workdir.prompts),
    )


def _agents(prompts: Path) -> set[str] | None:
    try:
        return agents_with_prompts(prompts, PRODUCT_PROMPTS)
    except OSError:
        return None  # its session reports the unreadable prompt


def _read_report(workdir: WorkDir, agent: str, subtask_id: str) -> ReportCompletion | ReportBlocked | None:
    """Read the subtask's result file, of this agent or else of a person; the watcher reports a bad one."""
    for writer in (agent, None):
        found = read_result(workdir.result_file(subtask_id, writer), writer)
        if isinstance(found, ResultFile):
            return found.report()
    return None


def _connection(
    make: Callable[..., Actor], settings: Settings, workdir: WorkDir, context: ActorContext
) -> Actor:
    """Create the connection: to the user's backend, or by a door of our own to the embedded one."""
    embedded = {
        "url": f"ws://127.0.0.1:{settings.embedded_port}/ws",
        "door": workdir.backend_door,
        "token": partial(read_token, workdir.backend_token),  # which changes when it may have leaked
    }
    given = {"url": settings.ws_url, "token": _secret(settings.ws_token)}
    return make(
        context,
        **(embedded if settings.ws_url is None else given),
        ping_seconds=settings.ping_seconds,
        max_reconnect_attempts=settings.max_reconnect_attempts,
    )
