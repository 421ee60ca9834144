"""A proxy between the coordinator and its backend that simulates a bad network on request.

It cuts connections, also in the middle of a frame, delays them, drops all data for a while, and duplicates messages in
either direction.
"""

import asyncio
import random
import socket
import struct
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress

from tools.chaos.frames import Piece, Splitter

CHUNK = 65536
RESET = struct.pack("ii", 1, 0)
"""``SO_LINGER`` that makes a close reset the connection."""
TWICE = 0.03
"""Probability that a message is duplicated."""


class Link:
    """One connection, and the faults to inject into it.

    Args:
        rng: The random generator for duplicates.
        twice: The probability of a duplicate.
        on_cut: Called when a requested cut has happened.
    """

    def __init__(self, writers: list[asyncio.StreamWriter], rng: random.Random, twice: float) -> None:
        self.is_swallowing = False
        self.on_truncated: Callable[[], None] | None = None
        self.flows = asyncio.Event()
        self.flows.set()
        self._writers = writers
        self._rng, self._twice = rng, twice
        self._is_cut = asyncio.Event()

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one direction until it ends, then end the other too, unless data is being swallowed."""
        splitter = Splitter()
        with suppress(OSError, asyncio.IncompleteReadError):
            while data := await reader.read(CHUNK):
                for piece in splitter.feed(data):
                    await self.flows.wait()
                    await self._carry(piece, writer)
        if self.is_swallowing:
            await self._is_cut.wait()
        self.cut(reset=False)

    async def _carry(self, piece: Piece, writer: asyncio.StreamWriter) -> None:
        if self.is_swallowing:
            return
        if piece.is_message and self.on_truncated is not None:
            writer.write(piece.data[: self._rng.randrange(1, len(piece.data))])
            self.on_truncated()
            self.on_truncated = None
            self.cut(reset=False)
            return
        times = 2 if piece.is_message and self._rng.random() < self._twice else 1
        writer.write(piece.data * times)
        await writer.drain()

    def cut(self, *, reset: bool) -> None:
        """End the connection, in an orderly way or by a reset."""
        self._is_cut.set()
        for writer in self._writers:
            if reset:
                with suppress(OSError):  # it is closed already
                    sock = writer.get_extra_info("socket")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                writer.transport.abort()
            else:
                writer.close()


class Proxy:
    """Listens on loopback, in a thread of its own.

    Args:
        port: The backend's, on loopback.
        rng: Its random generator.
        twice: The probability that a message is duplicated.
    """

    def __init__(self, port: int, rng: random.Random, twice: float = TWICE) -> None:
        self._backend = port
        self._rng, self._twice = rng, twice
        self._links: set[Link] = set()
        self._is_swallowing = False
        self._loop = asyncio.new_event_loop()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._ended = asyncio.Event()
        self.port = int(self._listener.getsockname()[1])

    def start(self) -> None:
        """Start to listen."""
        self._thread.start()

    def stop(self) -> None:
        """End all connections, and the thread."""
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(10.0)

    # The faults. Each may be called from any thread; `happened` is called when the fault takes effect.

    def cut(self, happened: Callable[[], None], *, reset: bool) -> None:
        """Cut the current connections."""
        self._do(lambda link: link.cut(reset=reset), happened)

    def truncate(self, happened: Callable[[], None]) -> None:
        """Cut the connections in the middle of the next message."""
        self._do(lambda link: setattr(link, "on_truncated", happened), None)

    def swallow(self, seconds: float, happened: Callable[[], None]) -> None:
        """Drop all data and all disconnects, while both ends believe that they are connected; then cut.

        New connections are treated the same: they are accepted, but receive no data.
        """

        def swallow() -> None:
            if self._links:
                self._is_swallowing = True
                for link in self._links:
                    link.is_swallowing = True
                self._loop.call_later(seconds, self._heal)
                happened()

        self._loop.call_soon_threadsafe(swallow)

    def heal(self) -> None:
        """Stop dropping data, and cut the connections that were affected."""
        self._loop.call_soon_threadsafe(self._heal)

    def _heal(self) -> None:
        self._is_swallowing = False
        for link in self._links:
            if link.is_swallowing:
                link.cut(reset=True)

    def delay(self, seconds: float) -> None:
        """Delay all data."""

        def hold(link: Link) -> None:
            link.flows.clear()
            self._loop.call_later(seconds, link.flows.set)

        self._do(hold, None)

    def _do(self, action: Callable[[Link], None], happened: Callable[[], None] | None) -> None:
        def act() -> None:
            links = list(self._links)
            for link in links:
                action(link)
            if links and happened is not None:
                happened()

        self._loop.call_soon_threadsafe(act)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connect, sock=self._listener)
        await self._ended.wait()
        server.close()
        for link in list(self._links):
            link.flows.set()
            link.cut(reset=False)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.wait(tasks, timeout=5.0) if tasks else None

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_swallowing:
            link = Link([writer], self._rng, self._twice)
            link.is_swallowing = True
            await self._serve_link(link, link.pump(reader, writer))
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._backend)
        except OSError:
            writer.close()
            return
        link = Link([writer, far_writer], self._rng, self._twice)
        await self._serve_link(link, link.pump(reader, far_writer), link.pump(far_reader, writer))

    async def _serve_link(self, link: Link, *pumps: Coroutine[None, None, None]) -> None:
        self._links.add(link)
        try:
            await asyncio.gather(*pumps)
        finally:
            self._links.discard(link)
