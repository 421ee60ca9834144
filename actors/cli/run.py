"""Commands that run something: the coordinator, and the demo."""

import os
import threading
from typing import TYPE_CHECKING, Annotated

import structlog
import typer

from actors.app import tuning
from actors.app.logs import set_up_logging
from actors.app.settings import Settings, find_claude
from actors.app.signals import Interrupts
from actors.cli.options import with_settings
from actors.cli.render import console
from actors.lib.errors import root_cause
from supervisors import StartFailed

if TYPE_CHECKING:
    from actors.app.coordinator import Coordinator

ESCALATED = 70
"""The root supervisor gave up; whoever runs us should start us again."""

log = structlog.get_logger(__name__)


@with_settings()
def run(settings: Settings) -> None:
    """Run the coordinator until it is stopped (Ctrl-C or SIGTERM)."""
    from actors.app.coordinator import Coordinator  # noqa: PLC0415 - who only looks need not wait for its libraries

    set_up_logging(settings.log_level)
    find_claude(settings)
    tuning.share_fairly()
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
    tuning.settle()
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
    from actors.cli.demo import run_demo  # noqa: PLC0415 - the same

    raise typer.Exit(run_demo(settings, console, real=real, timeout=timeout))
