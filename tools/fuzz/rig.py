"""A test rig for the router, with a journal, agents that answer, and checks of its invariants."""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from hashlib import blake2b
from pathlib import Path

import orjson

from actors.journal.reader import JournalReader
from actors.protocol.backend import BackendOpened, PublicationConfirmed, Publish
from actors.protocol.deliveries import DeliveryState, DeliveryStep
from actors.protocol.feed import FeedPage
from actors.protocol.names import SessionAddress
from actors.protocol.sessions import (
    Deliver,
    Progressed,
    SessionChanged,
    SessionReady,
    SessionState,
    TurnEnded,
)
from actors.router.handlers import Work
from tools.fuzz.router import BareRouter
from tools.fuzz.rules import BrokenError, check_delivery, check_text

GROUP = 8
"""Number of messages in a commit."""
ALL = 1_000_000


class RouterRig:
    """A router on a test rig. It handles messages at once, and commits them in groups.

    Args:
        directory: An empty directory for the journal.
        source: The random generator.
    """

    def __init__(self, directory: Path, source: random.Random) -> None:
        self._random = source
        self._path = directory / "journal.db"
        self._now = 1_700_000_000.0
        self._waiting = self._shown = 0
        self._told: dict[str, bytes] = {}
        self._open: dict[str, dict[str, None]] = {}
        self._keys: list[str] = []
        self._start()

    def _start(self) -> None:
        self._router = BareRouter(self._path, self._clock)
        self.tell(BackendOpened(instance="one", acks=True))

    def close(self) -> None:
        """Close the router and its journal."""
        self._router.close()

    def _clock(self) -> float:
        self._now += 0.01
        return self._now

    @property
    def outstanding(self) -> list[str]:
        """The deliveries in sessions that are not finished."""
        return [each for ids in self._open.values() for each in ids]

    @property
    def keys(self) -> list[str]:
        """The keys of the publications that were sent."""
        return self._keys

    def tell(self, message: Work) -> None:
        """Tell the router a message."""
        self._router.handle(message)
        self._waiting += 1
        if self._waiting >= GROUP:
            self.commit()

    def commit(self) -> None:
        """Commit, collect the router's messages, and let the sessions answer from time to time."""
        self._waiting = 0
        for message in self._router.commit():
            self._take(message)
        if self._random.random() < 0.3:  # noqa: PLR2004 - often enough that nothing piles up
            self._answer()
            self._show()

    def _show(self) -> None:
        """Update the files for people."""
        for page in self._router.pages(self._shown):
            check_page(page)
            if page.events:
                self._shown = orjson.loads(page.events[-1])["number"]

    def whose(self, delivery_id: str) -> str:
        """Return the agent that has this delivery; any agent if none has it."""
        return next((agent for agent, ids in self._open.items() if delivery_id in ids), "coder")

    # ------------------------------------------------------------ what the router says

    def _take(self, message: object) -> None:
        match message:
            case Deliver(delivery=delivery):
                check_delivery(delivery)
                check_text(delivery.document)
                digest = blake2b(delivery.text.encode()).digest()
                if self._told.setdefault(delivery.id, digest) != digest:
                    raise BrokenError(f"delivery {delivery.id} was given twice with different texts")
                self._open.setdefault(delivery.agent, {})[delivery.id] = None
            case SessionAddress(agent=agent):
                self.tell(SessionReady(agent=agent))
                self.tell(SessionChanged(agent=agent, state=SessionState.READY))
            case Publish(key=key):
                self._keys = [*self._keys[-20:], key]

    def _answer(self) -> None:
        """Make every session read its deliveries and end its turn, and the backend accept its publications."""
        given, self._open = self._open, {}
        for agent, ids in given.items():
            steps = [
                DeliveryStep(delivery_id=each, state=state, receipt="lifecycle", attempts=1)
                for each in ids
                for state in (DeliveryState.WRITTEN, DeliveryState.STARTED, DeliveryState.COMPLETED)
            ]
            self.tell(Progressed(agent=agent, steps=tuple(steps)))
            self.tell(TurnEnded(agent=agent, text=self._random.choice(("", "TASK_COMPLETE", "BLOCKED"))))
        keys, self._keys = self._keys, []
        for key in keys:
            self.tell(PublicationConfirmed(key=key))

    # ------------------------------------------------------------ whether all is well

    def check(self) -> None:
        """Check that the journal is intact, and that another router would continue from the same state.

        Raises:
            BrokenError: It isn't, or it wouldn't.
        """
        self.commit()
        while self._waiting:  # the router's messages may have led to answers
            self.commit()
        with closing(sqlite3.connect(self._path)) as database:
            self._check_rows(database.execute)
        check_reader(self._path)
        before = self._router.state()
        self._router.close()
        self._start()
        if self._router.is_damaged:
            raise BrokenError("the journal was taken to be damaged")
        after = self._router.state()
        for name in before:
            for key in before[name].keys() | after[name].keys():
                if (old := before[name].get(key)) != (new := after[name].get(key)):
                    raise BrokenError(f"another router sees {name} {key} differently: {old} became {new}")

    def digest(self) -> bytes:
        """Return a digest of the journal's content, independent of its directory, whose path contexts contain."""
        with closing(sqlite3.connect(self._path)) as database:
            text = "\n".join(database.iterdump()).replace(str(self._path.parent), "")
        return blake2b(text.encode()).digest()

    def _check_rows(self, execute: Callable[..., sqlite3.Cursor]) -> None:
        if execute("PRAGMA integrity_check(1)").fetchone() != ("ok",):
            raise BrokenError("SQLite finds the journal damaged")
        for table, column in (("events", "document"), ("nodes", "document"), ("publications", "payload")):
            for (document,) in execute(f"SELECT {column} FROM {table}"):  # noqa: S608 - our own words
                orjson.loads(document)
        found = execute("SELECT id, text FROM deliveries WHERE handed_at IS NOT NULL")
        kept = {each: blake2b(text.encode()).digest() for each, text in found}
        if kept != self._told:
            raise BrokenError("the journal doesn't hold the texts that the sessions were given")


def check_page(page: FeedPage) -> None:
    """Check that the files for people get one valid JSON object a line.

    Raises:
        BrokenError: A line is not.
    """
    for line in page.events:
        if b"\n" in line or not isinstance(orjson.loads(line), dict):
            raise BrokenError(f"no line of the history: {line[:200]!r}")
    orjson.dumps((page.queues, page.current, page.knowledge))


def check_reader(path: Path) -> None:
    """Check that the read-only commands can read the whole journal."""
    reader = JournalReader(path)
    try:
        reader.counts(), reader.agents(), reader.dead_letters()
        reader.events(limit=ALL)
        reader.nodes(closed=True, limit=ALL)
        for each in reader.deliveries(limit=50):
            reader.delivery(each["id"])
    finally:
        reader.close()
