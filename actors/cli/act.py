"""Commands that act: each asks the running coordinator for something."""

import sys
from typing import Annotated

import typer

from actors.app.settings import Settings
from actors.cli.client import operate
from actors.cli.journal import open_journal
from actors.cli.options import with_settings
from actors.cli.render import console
from actors.lib.errors import NotFound
from actors.protocol.base import is_agent_name
from actors.protocol.names import BACKEND
from actors.workdir import find_workdir


@with_settings("work_dir")
def send(
    settings: Settings,
    agent: Annotated[str, typer.Argument(help="The agent, such as coding-agent.")],
    text: Annotated[str, typer.Argument(help="What it is to be told. A dash reads it from standard input.")],
) -> None:
    """Send an agent a message; it reaches a session that is working at once."""
    _check_agent(agent)
    body = sys.stdin.read() if text == "-" else text
    _operate(settings, "/api/messages", {"agent": agent, "text": body})


@with_settings("work_dir")
def start(
    settings: Settings, agent: Annotated[str, typer.Argument(help="The agent, such as coding-agent.")]
) -> None:
    """Start an agent's session, or have a blocked one try again."""
    _check_agent(agent)
    _operate(settings, f"/api/agents/{agent}/start", {})


@with_settings("work_dir")
def retry(
    settings: Settings,
    what: Annotated[
        str,
        typer.Argument(
            help="A blocked agent or subtask, a dead letter (the beginning of its id), or: backend."
        ),
    ],
) -> None:
    """Have a blocked agent or subtask go on, try a dead letter once more, or connect to the backend now."""
    reader = open_journal(find_workdir(settings.work_dir))
    if any(row["agent"] == what for row in reader.agents()):
        _operate(settings, f"/api/agents/{what}/start", {})
    elif what == BACKEND:
        _operate(settings, "/api/backend/retry", {})
    elif reader.node(what) is not None:
        _operate(settings, f"/api/subtasks/{what}/retry", {})
    else:
        _operate(settings, f"/api/deliveries/{reader.delivery(what)['id']}/retry", {})


@with_settings("work_dir")
def drop(
    settings: Settings,
    delivery: Annotated[str, typer.Argument(help="A dead letter: the beginning of its id.")],
) -> None:
    """Forget a dead letter; the journal keeps it."""
    reader = open_journal(find_workdir(settings.work_dir))
    _operate(settings, f"/api/deliveries/{reader.delivery(delivery)['id']}/drop", {})


def _check_agent(name: str) -> None:
    if not is_agent_name(name):
        raise NotFound(f"{name!r} can't be the name of an agent.")


def _operate(settings: Settings, path: str, body: dict[str, str]) -> None:
    console.print(operate(find_workdir(settings.work_dir), path, body))
