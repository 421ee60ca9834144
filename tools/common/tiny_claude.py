"""A tiny claude: records when each message arrives on its standard input, and acknowledges it.

It uses only the standard library, so that twenty of them start at once at almost no cost. Environment variables
configure it:

- ``TINY_CLAUDE_ARRIVALS`` names the directory where it appends ``<number> <agent> <sent> <arrived>`` for each stamped
  message (see ``tools.common.arrivals``), the times in nanoseconds of the machine's monotonic clock.
- ``TINY_CLAUDE_GATE``, if set, names a file: it starts to read when that exists.
- ``TINY_CLAUDE_ONCE``, if set, makes it as idempotent as claude: a message that is resent under the same uuid is
  acknowledged, but not recorded again. Otherwise every arrival is recorded, so that a repeated one is noticed.
"""

import os
import re
import time
from pathlib import Path

UUID = re.compile(rb'"uuid":"([0-9a-f-]{36})"')
STAMP = re.compile(rb"stamp=(\d+) to=(\S+) sent=(\d+)")
INIT = b'{"type":"system","subtype":"init","mcp_servers":[]}\n'
MOVED = (
    b'{"type":"command_lifecycle","command_uuid":"%b","state":"queued"}\n'
    b'{"type":"command_lifecycle","command_uuid":"%b","state":"started"}\n'
    b'{"type":"user","uuid":"%b","isReplay":true,"timestamp":"2026-11-27T10:00:00.000Z"}\n'
    b'{"type":"command_lifecycle","command_uuid":"%b","state":"completed"}\n'
)
RESULT = (
    b'{"type":"result","subtype":"success","is_error":false,"result":"TASK_COMPLETE","total_cost_usd":0}\n'
)


def main() -> None:
    """Read until standard input ends."""
    wait_for_gate()
    path = Path(os.environ["TINY_CLAUDE_ARRIVALS"]) / f"{os.getpid()}"
    arrivals = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    rest, known = b"", set[bytes]() if os.environ.get("TINY_CLAUDE_ONCE") else None
    while data := os.read(0, 65536):
        now = time.monotonic_ns()
        *lines, rest = (rest + data).split(b"\n")
        if lines:
            write_all(arrivals, b"".join(note(line, now, known) for line in lines))
            write_all(1, INIT + b"".join(play(line) for line in lines) + (b"" if rest else RESULT))


def wait_for_gate() -> None:
    """Wait until the gate exists, if one is configured."""
    gate = os.environ.get("TINY_CLAUDE_GATE")
    while gate and not Path(gate).exists():
        time.sleep(0.05)


def note(line: bytes, now: int, known: set[bytes] | None) -> bytes:
    """Return the record of a stamped message; empty for others.

    Args:
        line: The message.
        now: The time of its arrival.
        known: The uuids recorded so far, which are not recorded again; None to record every arrival.
    """
    uuid, stamp = UUID.search(line), STAMP.search(line)
    if stamp is None:
        return b""
    if known is not None and uuid is not None:
        if uuid[1] in known:
            return b""
        known.add(uuid[1])
    return b"%b %b %b %d\n" % (stamp[1], stamp[2], stamp[3], now)


def play(line: bytes) -> bytes:
    """Return claude's output for a message, from its arrival to its end."""
    uuid = UUID.search(line)
    return MOVED % ((uuid[1],) * 4) if uuid else b""


def write_all(file: int, data: bytes) -> None:
    """Write all data to a file, a pipe or a terminal."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


if __name__ == "__main__":
    main()
