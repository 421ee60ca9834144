"""The evidence that a message has reached the model, from claude's own words about it."""

from collections.abc import Iterable

from actors.protocol.deliveries import DeliveryState
from actors.session.drive import MessageMoved, Unproven

MOST_REMEMBERED = 1000
"""Replays without a life-cycle event that are remembered; messages of others leave such."""


class Evidence:
    """The messages of one process, and what claude has said about them.

    A life-cycle event alone proves nothing: a message that a hook refuses is *started* and *completed* too. Nor does a
    replay alone: duplicates and cancelled messages are replayed. A message has reached the model when it was started
    *and* replayed with a time, in either order (one that joins a running turn is replayed first). Of several messages
    that claude joins into one, only the last is replayed with a time; the turn's beginning names them all.

    Example:
        >>> evidence = Evidence()
        >>> evidence.started("u"), evidence.replayed("u")
        ((), (MessageMoved(uuid='u', state=<DeliveryState.STARTED: 'started'>, receipt='replay'),))
    """

    def __init__(self) -> None:
        self._started: set[str] = set()
        self._replayed: dict[str, None] = {}
        self._arrived: set[str] = set()
        self._turn: frozenset[str] = frozenset()

    def queued(self, uuid: str) -> tuple[MessageMoved, ...]:
        """Note that claude has a message in its queue."""
        return (MessageMoved(uuid=uuid, state=DeliveryState.ACCEPTED, receipt="lifecycle:queued"),)

    def turn_began(self, uuids: Iterable[str]) -> None:
        """Note a turn, and the messages that it answers."""
        self._turn = frozenset(uuids)

    def started(self, uuid: str) -> tuple[MessageMoved, ...]:
        """Note that claude has taken a message from its queue."""
        self._started.add(uuid)
        return self._arrive((uuid,)) if uuid in self._replayed else ()

    def replayed(self, uuid: str) -> tuple[MessageMoved, ...]:
        """Note a replay with a time."""
        joined = self._turn if uuid in self._turn else frozenset({uuid})
        self._replayed |= dict.fromkeys(joined)
        while len(self._replayed) > MOST_REMEMBERED:
            del self._replayed[next(iter(self._replayed))]
        return self._arrive(sorted(joined & self._started))

    def ended(self, uuid: str, state: str) -> tuple[MessageMoved | Unproven, ...]:
        """Note that claude is done with a message.

        A cancelled message that has arrived is in the history like one that was answered.
        """
        has_arrived = uuid in self._arrived
        self._arrived.discard(uuid)
        self._started.discard(uuid)
        self._replayed.pop(uuid, None)
        if not has_arrived:
            return (Unproven(uuid=uuid),)
        return (MessageMoved(uuid=uuid, state=DeliveryState.COMPLETED, receipt=f"lifecycle:{state}"),)

    def _arrive(self, uuids: Iterable[str]) -> tuple[MessageMoved, ...]:
        new = [uuid for uuid in uuids if uuid not in self._arrived]
        self._arrived.update(new)
        return tuple(MessageMoved(uuid=uuid, state=DeliveryState.STARTED, receipt="replay") for uuid in new)
