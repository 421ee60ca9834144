"""What a process is told from outside: to stop, to stop at once, and to show what it is doing."""

import faulthandler
import os
import select
import signal
import socket
import time
from contextlib import suppress

import psutil

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""From a person, from whatever runs us, and from a terminal that was closed."""
INTERRUPTED = 130
STDERR = 2
SAME_SECONDS = 0.5
"""Signals that come so close to the first are the same request: whoever asks may do so in several ways at once."""
_END = 0
"""No signal has this number."""


class Interrupts:
    """The first signal asks for an orderly stop, another one ends the process and its children at once.

    SIGHUP is never another one: a terminal that closes sends it again and again (its shell does, and the kernel), and
    nobody has lost patience.

    Made and waited for in the main thread, which alone may handle signals. Any thread may be the one that a signal
    comes to, though; so the main thread waits for the byte that each of them leaves in a socket: its number.
    """

    def __init__(self) -> None:
        self._asked_at: float | None = None
        self._ear, self._mouth = socket.socketpair()
        self._mouth.setblocking(False)  # noqa: FBT003 - the standard library's own
        signal.set_wakeup_fd(self._mouth.fileno(), warn_on_full_buffer=False)
        for number in STOPS:
            signal.signal(number, self._on_signal)
        faulthandler.register(signal.SIGUSR1, all_threads=True)

    def wait(self) -> None:
        """Return when a stop was asked for, by a signal or by ``end``."""
        while self._asked_at is None and self._ear.recv(1)[0] not in (*STOPS, _END):
            pass

    def end(self) -> None:
        """Have ``wait`` return; from any thread."""
        with suppress(BlockingIOError):  # so full of bytes that nobody waits
            self._mouth.send(bytes([_END]))

    def _on_signal(self, number: int, _frame: object) -> None:
        now = time.monotonic()
        if self._asked_at is None:
            self._asked_at = now
        elif number != signal.SIGHUP and now - self._asked_at > SAME_SECONDS:
            children = psutil.Process().children(recursive=True)
            for child in children:
                child.kill()
            _say(
                f"Ended at once; {len(children)} processes of it were killed. Nothing is lost: start it again.\n"
            )
            os._exit(INTERRUPTED)


def _say(text: str) -> None:
    """Words for whoever reads them at once; nobody else is waited for."""
    with suppress(OSError, ValueError):
        if select.select([], [STDERR], [], 0.0)[1]:
            os.write(STDERR, text.encode())
