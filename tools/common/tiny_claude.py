"""A tiny claude: notes when each context arrives in its standard input, and plays through its turn.

It uses no more than the standard library, so that twenty of them start at once and cost next to nothing.
``BENCH_ARRIVALS`` names the directory where it appends ``<number> <sent> <arrived>`` for each context, the
times in nanoseconds of the machine's monotonic clock.
"""

import os
import re
import time
from pathlib import Path

UUID = re.compile(rb'"uuid":"([0-9a-f-]{36})"')
STAMP = re.compile(rb"bench-event=(\d+) sent=(\d+)")
INIT = b'{"type":"system","subtype":"init","mcp_servers":[]}\n'
MOVED = b"".join(
    b'{"type":"command_lifecycle","command_uuid":"%%b","state":"%b"}\n' % state
    for state in (b"queued", b"started", b"completed")
)
RESULT = (
    b'{"type":"result","subtype":"success","is_error":false,"result":"TASK_COMPLETE","total_cost_usd":0}\n'
)


def main() -> None:
    """Read until the standard input ends."""
    path = Path(os.environ["BENCH_ARRIVALS"]) / f"{os.getpid()}"
    arrivals = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    rest = b""
    while data := os.read(0, 65536):
        now = time.monotonic_ns()
        *lines, rest = (rest + data).split(b"\n")
        if lines:
            os.write(arrivals, b"".join(note(line, now) for line in lines))
            write_all(INIT + b"".join(play(line) for line in lines) + (b"" if rest else RESULT))


def note(line: bytes, now: int) -> bytes:
    """The record of one context; nothing for one that isn't measured."""
    stamp = STAMP.search(line)
    return b"%b %b %d\n" % (stamp[1], stamp[2], now) if stamp else b""


def play(line: bytes) -> bytes:
    """What claude says of a message from its arrival to its end."""
    uuid = UUID.search(line)
    return MOVED % (uuid[1], uuid[1], uuid[1]) if uuid else b""


def write_all(data: bytes) -> None:
    """Write to the standard output, which may be a pipe or a terminal."""
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


if __name__ == "__main__":
    main()
