"""The runtime that the interfaces share: one writer thread, several reader threads, and the hub."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from backend.change import StoredEvent
from backend.hub import Hub
from backend.queries import Queries
from backend.service import TaskService
from backend.storage import instance_of, open_database

P = ParamSpec("P")
T = TypeVar("T")

PRODUCT = "agent-coordinator-backend"

READERS = 4


class Runtime:
    """The backend behind its interfaces. Use and `close` it in the event loop that has called `start`.

    Changes run one after the other in a single thread, so their order is the order of the events. Each is
    published to the hub before its caller continues. A caller that is cancelled does not undo its change.

    Args:
        database_url: an SQLAlchemy URL.
    """

    def __init__(self, database_url: str) -> None:
        self._engine = open_database(database_url)
        self.instance = instance_of(self._engine)
        self.service = TaskService(self._engine, self._hand_over)
        self.queries = Queries(self._engine)
        self.hub = Hub(self.service.last_seq)
        self._writer = ThreadPoolExecutor(1, "backend-writer")
        self._readers = ThreadPoolExecutor(READERS, "backend-reader")

    def start(self) -> None:
        """Attach to the running event loop."""
        self._loop = asyncio.get_running_loop()

    async def write(self, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a method of the service."""
        return await self._loop.run_in_executor(self._writer, partial(operation, *args, **kwargs))

    async def read(self, operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a method of the queries."""
        return await self._loop.run_in_executor(self._readers, partial(operation, *args, **kwargs))

    def close(self) -> None:
        """Let the running operations end, then closes the database."""
        self._readers.shutdown(cancel_futures=True)
        self._writer.shutdown(cancel_futures=True)
        self._engine.dispose()

    def _hand_over(self, events: Sequence[StoredEvent]) -> None:
        self._loop.call_soon_threadsafe(self.hub.publish, events)
