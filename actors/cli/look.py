"""Read-only commands. They read the journal and need no running coordinator."""

from typing import Annotated

import typer

from actors.app.settings import Settings
from actors.cli import render
from actors.cli.client import health
from actors.cli.journal import open_journal
from actors.cli.options import with_settings
from actors.cli.render import console
from actors.cli.status import overview
from actors.lib.errors import NotFound
from actors.lib.program import command
from actors.protocol.deliveries import DeliveryState
from actors.workdir import find_holder, find_workdir


@with_settings("work_dir")
def status(
    settings: Settings,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Show closed subtasks too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the agents, and the open subtasks with what each waits for."""
    workdir = find_workdir(settings.work_dir)
    running = find_holder(workdir.lock_file)
    found = overview(open_journal(workdir), running, health(running), closed=everything)
    render.status(console, found, as_json=as_json)


@with_settings("work_dir")
def history(
    settings: Settings,
    *,
    subtask: Annotated[
        str | None,
        typer.Argument(help="Only events of this task or subtask (the start of its id is enough)."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Number of the latest to show.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one event a line.")] = False,
) -> None:
    """Show the latest events."""
    reader = open_journal(find_workdir(settings.work_dir))
    subject = None if subtask is None else reader.find(subtask, "subject")[1]
    render.events(console, reader.events(limit=limit, subject=subject), as_json=as_json)


@with_settings("work_dir")
def deliveries(
    settings: Settings,
    *,
    agent: Annotated[str | None, typer.Argument(help="Only deliveries to this agent.")] = None,
    state: Annotated[
        DeliveryState | None,
        typer.Option(help="Only deliveries in this state."),
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Number of the latest to show.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one delivery a line.")] = False,
) -> None:
    """Show the latest deliveries to agents, with their states and receipts."""
    reader = open_journal(find_workdir(settings.work_dir))
    render.deliveries(console, reader.deliveries(agent=agent, state=state, limit=limit), as_json=as_json)


@with_settings("work_dir")
def dead_letters(
    settings: Settings,
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[show] [ID]", help="Show one dead letter in full (the start of its id is enough)."
        ),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show dead letters, with the reason, attempts and receipts of each."""
    reader = open_journal(find_workdir(settings.work_dir))
    match [word for word in words or () if word != "show"]:
        case []:
            render.dead_letters(console, reader.dead_letters(), as_json=as_json)
            if not as_json and (count := reader.counts()["rejected"]):
                console.print(f"Rejected input: {count} ({command('rejected')})", highlight=False)
        case [delivery]:
            row = reader.delivery(delivery)
            whole = row | {"text": render.without_tokens(row["text"])}
            render.whole(console, whole, body="text", as_json=as_json)
        case more:
            raise NotFound(f"Give one id, not {len(more)}: {' '.join(more)}")


@with_settings("work_dir")
def rejected(
    settings: Settings,
    number: Annotated[int | None, typer.Argument(help="Show the one with this number in full.")] = None,
    *,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Number of the latest to show.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one a line.")] = False,
) -> None:
    """Show rejected input, and messages that crashed an actor twice, each with its reason."""
    reader = open_journal(find_workdir(settings.work_dir))
    if number is None:
        render.rejected(console, reader.rejected(limit=limit), as_json=as_json)
        return
    render.whole(console, reader.rejection(number), body="raw", as_json=as_json)
