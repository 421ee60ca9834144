"""The process's signals: stop in order, stop at once, and dump all threads."""

import faulthandler
import os
import select
import signal
import socket
import time
from contextlib import suppress

import psutil

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Sent by a person, by a service manager, and by a terminal that is closed."""
INTERRUPTED = 130
STDERR = 2
SAME_SECONDS = 0.5
"""Signals within this time after the first are the same request: a sender may use several at once."""
_END = 0
"""No signal has this number."""


class Interrupts:
    """Stop requests by signals: the first asks for an orderly stop, the second ends the process and its children.

    SIGHUP never counts as the second: when a terminal closes, both the shell and the kernel send it repeatedly.

    Create it and wait for it in the main thread, because Python handles signals only there. The operating system may
    deliver a signal to any thread, so each signal also writes its number as a byte into a socket, on which the main
    thread waits.
    """

    def __init__(self) -> None:
        self._asked_at: float | None = None
        self._ear, self._mouth = socket.socketpair()
        self._mouth.setblocking(False)  # noqa: FBT003 - the standard library's own
        signal.set_wakeup_fd(self._mouth.fileno(), warn_on_full_buffer=False)
        for number in STOPS:
            signal.signal(number, self._on_signal)
        faulthandler.register(signal.SIGUSR1, all_threads=True)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until a stop is requested by a signal or by ``end``; return False if it isn't within these seconds."""
        self._ear.settimeout(seconds)
        with suppress(TimeoutError):
            while self._asked_at is None and self._ear.recv(1)[0] not in (*STOPS, _END):
                pass
            return True
        return False

    def end(self) -> None:
        """Make ``wait`` return. May be called from any thread."""
        with suppress(BlockingIOError):  # the socket is full, so `wait` will return anyway
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
                f"Ended at once; {len(children)} child processes were killed. Nothing is lost; start it again.\n"
            )
            os._exit(INTERRUPTED)


def _say(text: str) -> None:
    """Write to standard error if that doesn't block."""
    with suppress(OSError, ValueError):
        if select.select([], [STDERR], [], 0.0)[1]:
            os.write(STDERR, text.encode())
