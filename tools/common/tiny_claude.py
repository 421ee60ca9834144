"""A tiny claude: notes when each message arrives in its standard input, and plays through its turn.

It uses no more than the standard library, so that twenty of them start at once and cost next to nothing. As claude
is, it is idempotent: a message whose uuid it has had is acknowledged and nothing else. Two environment variables set
it up:

- ``TINY_CLAUDE_ARRIVALS`` names the directory where it appends ``<number> <agent> <sent> <arrived>`` for each stamped
  message (see ``tools.common.arrivals``), the times in nanoseconds of the machine's monotonic clock.
- ``TINY_CLAUDE_GATE``, if set, names a file: it begins to read once that is there.
"""

import os
import re
import time
from pathlib import Path

UUID = re.compile(rb'"uuid":"([0-9a-f-]{36})"')
STAMP = re.compile(rb"stamp=(\d+) to=(\S+) sent=(\d+)")
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
    wait_for_gate()
    path = Path(os.environ["TINY_CLAUDE_ARRIVALS"]) / f"{os.getpid()}"
    arrivals = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    rest, known = b"", set[bytes]()
    while data := os.read(0, 65536):
        now = time.monotonic_ns()
        *lines, rest = (rest + data).split(b"\n")
        if lines:
            write_all(arrivals, b"".join(note(line, now, known) for line in lines))
            write_all(1, INIT + b"".join(play(line) for line in lines) + (b"" if rest else RESULT))


def wait_for_gate() -> None:
    """Wait until the gate is there, if there is to be one."""
    gate = os.environ.get("TINY_CLAUDE_GATE")
    while gate and not Path(gate).exists():
        time.sleep(0.05)


def note(line: bytes, now: int, known: set[bytes]) -> bytes:
    """Make the record of one message; nothing for one that has arrived before, or that isn't stamped."""
    uuid, stamp = UUID.search(line), STAMP.search(line)
    if uuid is None or stamp is None or uuid[1] in known:
        return b""
    known.add(uuid[1])
    return b"%b %b %b %d\n" % (stamp[1], stamp[2], stamp[3], now)


def play(line: bytes) -> bytes:
    """Say what claude says of a message from its arrival to its end."""
    uuid = UUID.search(line)
    return MOVED % (uuid[1], uuid[1], uuid[1]) if uuid else b""


def write_all(file: int, data: bytes) -> None:
    """Write the whole of it, into a file, a pipe or a terminal."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


if __name__ == "__main__":
    main()
