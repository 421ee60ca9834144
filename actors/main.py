"""The command line: ``python -m actors.main``."""

import signal

if __name__ == "__main__":
    # While the rest is being loaded, and in whoever only looks, Ctrl-C needs no traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import errno
import os
import sys
import threading
from typing import TYPE_CHECKING, Annotated

import structlog
import typer

from actors import interpreter, show
from actors.delivery import DeliveryState
from actors.errors import ConfigurationError, CoordinatorError, root_cause
from actors.interrupts import Interrupts
from actors.logs import set_up_logging
from actors.messages import BACKEND
from actors.model import is_agent_name
from actors.options import with_settings
from actors.overview import overview
from actors.router.reader import JournalReader
from actors.running import health, operate
from actors.settings import Settings, find_claude
from actors.workdir import find_holder, find_workdir
from supervisors import StartFailed

if TYPE_CHECKING:
    from actors.coordinator import Coordinator

FAILED = 1
USAGE_ERROR = 2
ESCALATED = 70
"""The root supervisor gave up; whoever runs us should start us again."""

UNWRITABLE = (errno.EPIPE, errno.ENOSPC, errno.EIO)
"""What is said of an output that nobody reads any more, or that has no room."""

OF_THE_APP = ("--help", "-h", "--install-completion", "--show-completion")
"""Options that don't belong to the default command."""

log = structlog.get_logger(__name__)
console = show.open_console()
app = typer.Typer(
    help="Starts Claude Code agents as their tasks become ready, and puts each result into the session that waits"
    " for it. Without a command: run.",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["--help", "-h"]},
)


@app.command()
@with_settings()
def run(settings: Settings) -> None:
    """Run the coordinator until it is stopped (Ctrl-C or SIGTERM)."""
    from actors.coordinator import Coordinator  # noqa: PLC0415 - who only looks need not wait for its libraries

    set_up_logging(settings.log_level)
    find_claude(settings)
    interpreter.share_fairly()
    coordinator = Coordinator(settings)
    interrupts = Interrupts()
    try:
        coordinator.start()
    except (StartFailed, OSError) as error:
        console.print(
            f"The coordinator could not start: {root_cause(error)}. Nothing is lost; start it again."
        )
        coordinator.stop()
        raise typer.Exit(ESCALATED) from error
    interpreter.settle()
    try:
        _announce(coordinator)
        threading.Thread(target=_watch, args=(coordinator, interrupts), daemon=True).start()
        interrupts.wait()
    finally:  # also where nobody reads what is said
        abandoned = coordinator.stop()
    _report(coordinator, abandoned)


def _announce(coordinator: "Coordinator") -> None:
    settings = coordinator.settings
    if settings.ws_url is None:
        console.print(
            f"No WS_URL is set: the embedded backend runs on http://127.0.0.1:{settings.embedded_port}"
        )
    console.print(f"The coordinator runs (pid {os.getpid()}, {settings.work_dir}). Ctrl-C stops it.")


def _watch(coordinator: "Coordinator", interrupts: Interrupts) -> None:
    coordinator.wait()
    interrupts.end()


def _report(coordinator: "Coordinator", abandoned: list[str]) -> None:
    report = coordinator.wait()
    if abandoned:
        log.error("stopped_with_leftovers", abandoned=abandoned)
    if report is not None and report.reason is not None:
        console.print(f"The coordinator gave up: {report.reason}. Nothing is lost; start it again.")
        raise typer.Exit(ESCALATED)
    console.print(
        "The coordinator has stopped. Nothing is lost; it goes on from here when it is started again."
    )


@app.command()
@with_settings("claude_command", "log_level")
def demo(
    settings: Settings,
    *,
    real: Annotated[
        bool, typer.Option("--real", help="Use your own claude instead of the simulation.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="Give up after so many seconds.")] = 1800.0,
) -> None:
    """Run the example workflow "Build Auth System" from beginning to end, and show what happens."""
    from actors.demo import run_demo  # noqa: PLC0415 - the same

    raise typer.Exit(run_demo(settings, console, real=real, timeout=timeout))


@app.command()
@with_settings("work_dir")
def status(
    settings: Settings,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Show closed subtasks too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the agents, the subtasks that are open, and what they wait for."""
    workdir = find_workdir(settings.work_dir)
    running = find_holder(workdir.lock_file)
    found = overview(JournalReader(workdir.journal), running, health(running), closed=everything)
    show.status(console, found, as_json=as_json)


@app.command()
@with_settings("work_dir")
def history(
    settings: Settings,
    *,
    subtask: Annotated[
        str | None, typer.Argument(help="Only events about this task or subtask: the beginning of its id.")
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, help="How many, counted from the newest.")
    ] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one event a line.")] = False,
) -> None:
    """Show the newest events."""
    reader = JournalReader(find_workdir(settings.work_dir).journal)
    subject = None if subtask is None else reader.subject(subtask)
    show.events(console, reader.events(limit=limit, subject=subject), as_json=as_json)


@app.command()
@with_settings("work_dir")
def deliveries(
    settings: Settings,
    *,
    agent: Annotated[str | None, typer.Argument(help="Only what went to this agent.")] = None,
    state: Annotated[
        DeliveryState | None,
        typer.Option(help="Only those in this state."),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, help="How many, counted from the newest.")
    ] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one delivery a line.")] = False,
) -> None:
    """Show the newest deliveries: what agents were told, and the evidence that it arrived."""
    reader = JournalReader(find_workdir(settings.work_dir).journal)
    show.deliveries(console, reader.deliveries(agent=agent, state=state, limit=limit), as_json=as_json)


@app.command()
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


@app.command()
@with_settings("work_dir")
def start(
    settings: Settings, agent: Annotated[str, typer.Argument(help="The agent, such as coding-agent.")]
) -> None:
    """Start an agent's session, or have a blocked one try again."""
    _check_agent(agent)
    _operate(settings, f"/api/agents/{agent}/start", {})


@app.command(name="dead-letters")
@with_settings("work_dir")
def dead_letters(
    settings: Settings,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[show] [ID]", help="Show this one whole: its id, or the beginning of it."),
    ] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what could not be delivered: each with its reason, its attempts and the receipts that it had."""
    reader = JournalReader(find_workdir(settings.work_dir).journal)
    match [word for word in words or () if word != "show"]:
        case []:
            show.dead_letters(console, reader.dead_letters(), as_json=as_json)
            if not as_json and (count := reader.counts()["rejected"]):
                console.print(f"Rejected, and shown by the command of that name: {count}")
        case [delivery]:
            show.whole(console, reader.delivery(delivery), body="text", as_json=as_json)
        case more:
            raise ConfigurationError(f"One id at a time: {' '.join(more)}")


@app.command()
@with_settings("work_dir")
def rejected(
    settings: Settings,
    number: Annotated[int | None, typer.Argument(help="Show this one whole.")] = None,
    *,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, help="How many, counted from the newest.")
    ] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one a line.")] = False,
) -> None:
    """Show input that could not be used, and messages that made an actor fail twice: each with the reason."""
    reader = JournalReader(find_workdir(settings.work_dir).journal)
    if number is None:
        show.rejected(console, reader.rejected(limit=limit), as_json=as_json)
        return
    found = reader.rejection(number)
    if found is None:
        raise ConfigurationError(f"Nothing that was rejected has the number {number}.")
    show.whole(console, found, body="raw", as_json=as_json)


@app.command()
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
    reader = JournalReader(find_workdir(settings.work_dir).journal)
    if any(row["agent"] == what for row in reader.agents()):
        _operate(settings, f"/api/agents/{what}/start", {})
    elif what == BACKEND:
        _operate(settings, "/api/backend/retry", {})
    elif reader.node(what) is not None:
        _operate(settings, f"/api/subtasks/{what}/retry", {})
    else:
        _operate(settings, f"/api/deliveries/{reader.delivery(what)['id']}/retry", {})


@app.command()
@with_settings("work_dir")
def drop(
    settings: Settings,
    delivery: Annotated[str, typer.Argument(help="A dead letter: the beginning of its id.")],
) -> None:
    """Forget a dead letter; the journal keeps it."""
    reader = JournalReader(find_workdir(settings.work_dir).journal)
    _operate(settings, f"/api/deliveries/{reader.delivery(delivery)['id']}/drop", {})


def _check_agent(name: str) -> None:
    if not is_agent_name(name):
        raise ConfigurationError(f"{name!r} can't be the name of an agent.")


def _operate(settings: Settings, path: str, body: dict[str, str]) -> None:
    console.print(operate(find_workdir(settings.work_dir), path, body))


def main() -> None:
    """Run the command line; what the user can mend is said in plain words."""
    words = sys.argv[1:]
    if not words or (words[0].startswith("-") and words[0] not in OF_THE_APP):
        words = ["run", *words]
    try:
        _call(words)
    except ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201 - this is the command line
        sys.exit(USAGE_ERROR)
    except CoordinatorError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the same
        sys.exit(FAILED)


def _call(words: list[str]) -> None:
    try:
        try:
            app(args=words, prog_name="./scripts/run")
        finally:
            sys.stdout.flush()  # here, where it can still be said that it failed
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left is flushed at the end
        if error.errno != errno.EPIPE:
            print(f"The output can't be written: {error.strerror}", file=sys.stderr)  # noqa: T201 - the same
        sys.exit(FAILED)


if __name__ == "__main__":
    main()
