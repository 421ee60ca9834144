"""A thief: a program that tries to get a port while its owner is down, and the tokens of those who come there."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import cycle, islice

ADDRESSES = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::"))  # noqa: S104 - a thief
PAUSE = 0.002
"""Seconds between two attempts."""
WAIT = 2.0
"""Seconds for which a stolen port is kept, and for which a victim is listened to."""
MOST = 10.0
"""Longest time of one theft, in seconds."""


class Thief:
    """Tries to bind a port again and again, and listens to whoever connects to it.

    Args:
        port: The port.
        token: The secret that must not be told.

    Attributes:
        tried: The number of attempts.
        loot: What was stolen, each a sentence.
    """

    def __init__(self, port: int, token: str) -> None:
        self._port, self._token = port, token.encode()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()
        self.tried = 0
        self.loot: list[str] = []

    def start(self, is_over: Callable[[], bool]) -> None:
        """Try until it is over, in a thread of its own; nothing happens while an earlier theft goes on."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(
                target=self._try_until, args=(is_over,), name="thief", daemon=True
            )
            self._thread.start()

    def stop(self) -> None:
        """Stop, and wait for the thread."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _try_until(self, is_over: Callable[[], bool]) -> None:
        for family, address in islice(cycle(ADDRESSES), round(MOST / PAUSE)):
            self.tried += 1
            with suppress(OSError):  # it has an owner
                self._steal(family, address)
            if is_over() or self._stopped.wait(PAUSE):
                break

    def _steal(self, family: socket.AddressFamily, address: str) -> None:
        with socket.socket(family, socket.SOCK_STREAM) as taken:
            for option in (socket.SO_REUSEADDR, socket.SO_REUSEPORT):
                taken.setsockopt(socket.SOL_SOCKET, option, 1)
            taken.bind((address, self._port))
            taken.listen()
            self.loot.append(f"a thief got port {self._port} on {address}")
            taken.settimeout(WAIT)
            victim, _ = taken.accept()
            with victim:
                victim.settimeout(WAIT)
                if self._token in victim.recv(65536):
                    self.loot.append("a thief was told the token")
