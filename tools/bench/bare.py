"""A process with the simplest pipeline: websocket-client, two plain pykka actors, ``os.write`` into a pipe.

It has no graph, no deduplication and no receipts. With ``--durable``, each event is committed to SQLite before it is
passed on. Usage: ``bare.py URL DIRECTORY [--durable]``. It ends when its standard input does.
"""

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pykka
import websocket

from actors.app import tuning
from tools.common.arrivals import TINY_CLAUDE


class Writer(pykka.ThreadingActor):
    """Writes contexts to the agent's standard input."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor

    def on_receive(self, message: str) -> None:
        """Write a context."""
        line = {"type": "user", "uuid": str(uuid4()), "message": {"role": "user", "content": message}}
        os.write(self._descriptor, orjson.dumps(line) + b"\n")


class Parser(pykka.ThreadingActor):
    """Parses events and creates contexts from them."""

    def __init__(self, writer: "pykka.ActorRef[Writer]", journal: Path | None) -> None:
        super().__init__()
        self._writer = writer
        self._database: sqlite3.Connection | None = None
        self._journal = journal

    def on_start(self) -> None:
        """Open the journal, if one is configured."""
        if self._journal is not None:
            self._database = sqlite3.connect(self._journal, isolation_level=None)
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            self._database.execute("CREATE TABLE events (number INTEGER PRIMARY KEY, document BLOB)")

    def on_receive(self, message: bytes) -> None:
        """Commit an event if durable, and pass on its context."""
        event: dict[str, Any] = orjson.loads(message)
        if event.get("event_type") == "subtask.completed":
            if self._database is not None:
                self._database.execute("INSERT INTO events (document) VALUES (?)", (message,))
            self._writer.tell(event["payload"]["completion_summary"])

    def on_stop(self) -> None:
        """Close the journal."""
        if self._database is not None:
            self._database.close()


def receive(connection: websocket.WebSocket, parser: "pykka.ActorRef[Parser]") -> None:
    """Tell the parser each message, until the connection ends."""
    while data := connection.recv_data()[1]:
        parser.tell(data)


def main(url: str, directory: Path, *, durable: bool) -> None:
    """Run until standard input ends."""
    tuning.share_fairly()
    with subprocess.Popen(  # noqa: S603 - our own program
        TINY_CLAUDE, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as child:
        if child.stdin is None:
            raise RuntimeError("no pipe to the agent")
        writer = Writer.start(child.stdin.fileno())
        parser = Parser.start(writer, directory / "bare.db" if durable else None)
        connection = websocket.create_connection(url, skip_utf8_validation=True)
        threading.Thread(target=receive, args=(connection, parser), daemon=True).start()
        tuning.settle()
        print("ready", flush=True)
        sys.stdin.readline()
        connection.shutdown()  # type: ignore[no-untyped-call]  # the library has no annotation here
        pykka.ActorRegistry.stop_all()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), durable="--durable" in sys.argv)
