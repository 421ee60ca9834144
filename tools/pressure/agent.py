"""A tiny claude that begins to read its standard input once the file that ``PRESSURE_GATE`` names is there.

As claude is, it is idempotent: a message whose uuid it has had is acknowledged and nothing else. It appends a line
``<agent> <number>`` to the file that ``PRESSURE_ARRIVALS`` names for each other one.
"""

import os
import re
import time
from pathlib import Path

UUID = re.compile(rb'"uuid":"([0-9a-f-]{36})"')
NUMBER = re.compile(rb"number=(\d+) to=(\S+)")
INIT = b'{"type":"system","subtype":"init","mcp_servers":[]}\n'
MOVED = b"".join(
    b'{"type":"command_lifecycle","command_uuid":"%%b","state":"%b"}\n' % state
    for state in (b"queued", b"started", b"completed")
)
RESULT = b'{"type":"result","subtype":"success","is_error":false,"result":"","total_cost_usd":0}\n'


def main() -> None:
    """Wait for the gate, then read until the standard input ends."""
    gate = Path(os.environ["PRESSURE_GATE"])
    while not gate.exists():
        time.sleep(0.05)
    arrivals = os.open(
        os.environ["PRESSURE_ARRIVALS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600
    )
    rest, known = b"", set[bytes]()
    while data := os.read(0, 65536):
        *lines, rest = (rest + data).split(b"\n")
        if lines:
            write_all(arrivals, b"".join(note(line, known) for line in lines))
            write_all(1, INIT + b"".join(play(line) for line in lines) + (b"" if rest else RESULT))


def note(line: bytes, known: set[bytes]) -> bytes:
    """The record of one message; nothing for one that has arrived before, or that isn't counted."""
    uuid, number = UUID.search(line), NUMBER.search(line)
    if uuid is None or number is None or uuid[1] in known:
        return b""
    known.add(uuid[1])
    return b"%b %b\n" % (number[2], number[1])


def play(line: bytes) -> bytes:
    """What claude says of a message from its arrival to its end."""
    uuid = UUID.search(line)
    return MOVED % (uuid[1], uuid[1], uuid[1]) if uuid else b""


def write_all(file: int, data: bytes) -> None:
    """Write the whole of it."""
    view = memoryview(data)
    while view:
        view = view[os.write(file, view) :]


if __name__ == "__main__":
    main()
