"""Commands that act through the running coordinator."""

import shlex
import sys
from typing import Annotated, Any
from urllib.parse import quote

import typer

from actors.agents.prompt import PRODUCT_PROMPTS, agents_with_prompts
from actors.app.settings import Settings
from actors.cli import render
from actors.cli.client import gateway, operate
from actors.cli.journal import open_journal
from actors.cli.options import with_settings
from actors.cli.render import console, print_json
from actors.cli.starting import start_session
from actors.lib.errors import NotFound
from actors.lib.files import write_atomically
from actors.protocol.base import is_agent_name
from actors.protocol.names import BACKEND
from actors.workdir import find_workdir


@with_settings("work_dir")
def send(
    settings: Settings,
    agent: Annotated[str, typer.Argument(help="The agent, such as coding-agent.")],
    text: Annotated[str, typer.Argument(help="The message, or a dash (-) to read it from standard input.")],
) -> None:
    """Send a message to an agent. A working agent receives it at once."""
    _check_agent(agent)
    body = sys.stdin.read() if text == "-" else text
    _operate(settings, "/api/messages", {"agent": agent, "text": body})


@with_settings("work_dir")
def start(
    settings: Settings, agent: Annotated[str, typer.Argument(help="The agent, such as coding-agent.")]
) -> None:
    """Start an agent's session, or unblock a blocked one."""
    _check_agent(agent)
    start_session(find_workdir(settings.work_dir), agent)


@with_settings("work_dir")
def restart(
    settings: Settings,
    agent: Annotated[str, typer.Argument(help="The agent, such as coding-agent.")],
    *,
    new_conversation: Annotated[
        bool,
        typer.Option(
            "--new-conversation",
            help="Begin a new conversation, in which the subtask in hand is given again, whole.",
        ),
    ] = False,
) -> None:
    """Restart an agent's claude, with its prompt and permissions as they are now."""
    _check_agent(agent)
    _operate(settings, f"/api/agents/{agent}/restart", {"new_conversation": new_conversation})


@with_settings("work_dir")
def retry(
    settings: Settings,
    what: Annotated[
        str,
        typer.Argument(
            help="A blocked agent, a blocked subtask or a dead letter (the start of its id is enough), or: backend."
        ),
    ],
) -> None:
    """Unblock an agent or a subtask, resend a dead letter, or reconnect to the backend now."""
    workdir = find_workdir(settings.work_dir)
    reader = open_journal(workdir)
    agents = {row["agent"] for row in reader.agents()} | agents_with_prompts(workdir.prompts, PRODUCT_PROMPTS)
    if what in agents:
        start_session(workdir, what)
    elif what == BACKEND:
        _operate(settings, "/api/backend/retry", {})
    else:
        kind, found = reader.find(what, "task or subtask", "dead letter")
        route = "deliveries" if kind == "dead letter" else "subtasks"
        _operate(settings, f"/api/{route}/{quote(found, safe='')}/retry", {})


@with_settings("work_dir")
def drop(
    settings: Settings,
    delivery: Annotated[str, typer.Argument(help="A dead letter (the start of its id is enough).")],
) -> None:
    """Drop a dead letter. The journal keeps a record of it."""
    reader = open_journal(find_workdir(settings.work_dir))
    _operate(settings, f"/api/deliveries/{reader.find(delivery, 'dead letter')[1]}/drop", {})


@with_settings("work_dir")
def api(
    settings: Settings, *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Show how to call the gateway with curl. The token lies in a file, for curl to read."""
    workdir = find_workdir(settings.work_dir)
    url, token = gateway(workdir)
    header = workdir.operator_header
    write_atomically(header, f"Authorization: Bearer {token}\n".encode())
    if as_json:
        print_json({"url": url, "header_file": str(header)})
        return
    curl = shlex.join(["curl", "-H", f"@{header}"])
    for line in (f"{curl} -N {url}/api/events", f"{curl} -X POST {url}/api/agents/AGENT/start"):
        console.out(line, highlight=False)


def _check_agent(name: str) -> None:
    if not is_agent_name(name):
        raise NotFound(f"{name!r} can't be the name of an agent.")


def _operate(settings: Settings, path: str, body: dict[str, Any]) -> None:
    console.print(render.text(operate(find_workdir(settings.work_dir), path, body)))
