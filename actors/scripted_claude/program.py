"""The program: its options, its refusals, which are the real one's, and its threads."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from .background import Background
from .faults import Faults
from .inbox import Inbox
from .options import Options, Refused, parse, refuse
from .output import Output
from .tools import Tools
from .transcript import Transcript, path_of
from .worker import Worker

_SHOW_CURSOR = "\x1b[?25h"
"""The real one's last output to the terminal at an orderly end: a line that is no JSON."""
_NO_INPUT = "Error: Input must be provided either through stdin or as a prompt argument when using --print"


def main() -> None:
    """Work until standard input ends."""
    try:
        options = parse(sys.argv[1:])
        path = path_of(options.session, Path.cwd())
        faults = Faults.of_environment(path.with_suffix(".faults"))
        transcript = Transcript(path, options.session)
        _check(options, transcript, faults)
    except (Refused, ValueError) as reason:
        refuse(str(reason))
    else:
        _work(options, transcript, faults)


def _check(options: Options, transcript: Transcript, faults: Faults) -> None:
    if (code := faults.get("exit_on_start")) is not None:
        sys.exit(int(code))
    if sys.stdin.isatty():
        raise Refused(_NO_INPUT)
    if options.resume and not transcript.exists:
        text = f"No conversation found with session ID: {options.session}"
        fields = {"subtype": "error_during_execution", "is_error": True, "num_turns": 0, "total_cost_usd": 0}
        Output(options.session).event("result", **fields, usage={}, permission_denials=[], errors=[text])
        raise Refused(text)
    if transcript.exists and not options.resume:
        raise Refused(f"Error: Session ID {options.session} is already in use.")


def _run_hooks(options: Options, path: Path) -> None:
    """Run the hooks of the start, as the real one does before it takes a message."""
    told = {
        "session_id": options.session,
        "transcript_path": str(path),
        "cwd": str(Path.cwd()),
        "hook_event_name": "SessionStart",
        "source": "resume" if options.resume else "startup",
    }
    for command in options.start_hooks:
        subprocess.run(["/bin/sh", "-c", command], input=json.dumps(told).encode(), check=False)  # noqa: S603


def _work(options: Options, transcript: Transcript, faults: Faults) -> None:
    _run_hooks(options, transcript.path)
    receipts, late = not faults.get("no_receipts"), float(faults.get("late_receipts") or 0)
    output = Output(options.session, replay=options.replay, receipts=receipts, late=late)
    interrupted = threading.Event()
    inbox = Inbox(output=output, transcript=transcript, faults=faults, interrupted=interrupted)
    wake = (lambda _: None) if faults.get("sleeps_through") else inbox.wake
    background = Background(output, wake)
    tools = Tools(options, interrupted, background, tuple(faults.get("deny_tool") or ()))
    inbox.on_interrupt = tools.abort
    _listen(tools, inbox, ignore_sigterm=bool(faults.get("ignore_sigterm")))
    threading.Thread(target=inbox.read, name="reader", daemon=True).start()
    code = Worker(
        options=options, inbox=inbox, output=output, transcript=transcript, tools=tools, faults=faults
    ).run()
    output.raw(_SHOW_CURSOR)
    sys.exit(code)


def _listen(tools: Tools, inbox: Inbox, *, ignore_sigterm: bool) -> None:
    def leave(number: int, _: object) -> None:
        if tools.is_starting:
            tools.postponed = number
            return
        # The interrupted thread may hold the output's lock: past it, and out.
        tools.abort()
        os.write(sys.stdout.fileno(), _SHOW_CURSOR.encode())
        os._exit(128 + number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN if ignore_sigterm and number == signal.SIGTERM else leave)
    signal.signal(signal.SIGCONT, lambda *_: inbox.reading.set())
