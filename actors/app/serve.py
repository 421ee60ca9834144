"""The coordinator as a program, which runs until it is stopped or gives up."""

import os
import threading
from collections.abc import Callable

import structlog

from actors.app import tuning
from actors.app.coordinator import Coordinator
from actors.app.signals import Interrupts
from actors.lib.children import adopt_orphans, collect_ended
from actors.lib.descriptors import raise_limit
from actors.lib.errors import root_cause
from supervisors import StartFailed

STOPPED = 0
ESCALATED = 70
"""Exit code after the root supervisor gave up; the service manager should restart the program."""

COLLECT_SECONDS = 1.0
"""Seconds between two looks for adopted processes that have ended."""

log = structlog.get_logger(__name__)


def serve(coordinator: Coordinator, say: Callable[[str], object] = print) -> int:
    """Run a coordinator until a signal stops it or it gives up. Call it once a process, in the main thread.

    Programs find ``coordinator_ready`` in the log when all actors run, and ``coordinator_stopped`` at the end. People
    get sentences.

    Args:
        coordinator: A coordinator that has not been started.
        say: Prints a sentence for people.

    Returns:
        The exit code of the process.

    Raises:
        ConfigurationError: It can't start with these settings; nothing is running.
    """
    tuning.share_fairly()
    raise_limit()
    adopt_orphans()
    interrupts = Interrupts()
    try:
        coordinator.start()
    except (StartFailed, OSError) as error:
        say(f"The coordinator could not start: {root_cause(error)}. Nothing is lost; start it again.")
        coordinator.stop()
        return ESCALATED
    tuning.settle()
    try:
        _announce(coordinator, say)
        threading.Thread(target=_watch, args=(coordinator, interrupts), daemon=True).start()
        while not interrupts.wait(COLLECT_SECONDS):
            collect_ended()
    finally:  # also when the output can't be written
        tuning.finish()
        abandoned = coordinator.stop()
    return _report(coordinator, abandoned, say)


def _announce(coordinator: Coordinator, say: Callable[[str], object]) -> None:
    settings, pid = coordinator.settings, os.getpid()
    log.info("coordinator_ready", pid=pid, work_dir=str(settings.work_dir), gateway=coordinator.url)
    if settings.ws_url is None:
        say(f"No WS_URL is set: the embedded backend runs on http://127.0.0.1:{settings.embedded_port}")
    say(f"The coordinator runs (pid {pid}, {settings.work_dir}). Ctrl-C stops it.")


def _watch(coordinator: Coordinator, interrupts: Interrupts) -> None:
    coordinator.wait()
    interrupts.end()


def _report(coordinator: Coordinator, abandoned: list[str], say: Callable[[str], object]) -> int:
    report = coordinator.wait()
    reason = report.reason if report is not None else None
    if abandoned:
        log.error("stopped_with_leftovers", abandoned=abandoned)
    log.info("coordinator_stopped", gave_up=reason is not None)
    if reason is not None:
        say(f"The coordinator gave up: {reason}. Nothing is lost; start it again.")
        return ESCALATED
    say("The coordinator has stopped. Nothing is lost; the next start continues from here.")
    return STOPPED
