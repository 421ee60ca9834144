"""The one thread that waits for the output, the input and the end of all processes."""

import asyncio
import errno
import os
import threading
from collections.abc import Callable
from typing import Any, ClassVar

import structlog

log = structlog.get_logger(__name__)


class Watcher:
    """An event loop in a thread of its own, which all processes share.

    It is there from the first ``enter`` to the last ``leave``. Its callbacks must not wait for anything, since all
    others wait for them.

    Attributes:
        loop: To be used in its own thread only.
        users: How many have entered and not left.
    """

    _lock: ClassVar[threading.Lock] = threading.Lock()
    _present: ClassVar["Watcher | None"] = None

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.loop.set_exception_handler(_failed)
        self.users = 0
        thread = threading.Thread(target=self._run, name="session-watcher", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # how Python says that the system has no thread left
            self.loop.close()
            raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN)) from error

    @classmethod
    def enter(cls) -> "Watcher":
        """Return the watcher that is there, or a new one; ``leave`` it in the end.

        Raises:
            OSError: There is no thread or descriptor for it.
        """
        with cls._lock:
            watcher = cls._present = cls._present or cls()
            watcher.users += 1
            return watcher

    def leave(self) -> None:
        """Let go of it; the last one ends it, once it has made the calls that it was asked for."""
        with self._lock:
            self.users -= 1
            if self.users == 0:
                Watcher._present = None
                self.call(self.loop.stop)

    def call(self, function: Callable[[], object]) -> None:
        """Call a function in the watcher's thread, after those that it was asked for before."""
        self.loop.call_soon_threadsafe(function)

    def _run(self) -> None:
        self.loop.run_forever()
        self.loop.close()


def _failed(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    log.error("process_watch_failed", reason=context.get("message"), exc_info=context.get("exception"))
