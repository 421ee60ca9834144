"""A process that plays the backend and sends stamped events to its clients.

It prints its port, then reads commands, one JSON object a line: ``{"do": <what>, "to": [<path>, …], …}``, to send what
its methods ``_probe``, ``_flood`` and ``_fan`` do. It answers each with a line ``done``. Connections are identified by
their paths.
"""

import asyncio
import json
import random
import sys
import time
from contextlib import suppress
from typing import Any

import orjson
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tools.common.arrivals import stamp

WELCOME = b'{"type":"welcome","server":"bench","instance":"bench","acks":true,"last_seq":0}'


class StampingBackend:
    """The clients' connections, on which it sends stamped events."""

    def __init__(self) -> None:
        self._peers: dict[str, ServerConnection] = {}
        self._connected = asyncio.Condition()
        self._seq = 0

    async def converse(self, peer: ServerConnection) -> None:
        """Greet a client, then acknowledge its publications until it disconnects."""
        path = peer.request.path if peer.request else ""
        await peer.send(WELCOME, text=True)
        async with self._connected:
            self._peers[path] = peer
            self._connected.notify_all()
        with suppress(ConnectionClosed):  # the client may disconnect in any way
            async for raw in peer:
                message = orjson.loads(raw)
                if "event_type" in message:
                    await peer.send(orjson.dumps({"type": "ack", "id": message["id"]}), text=True)

    async def obey(self, command: dict[str, Any]) -> None:
        """Carry out a command."""
        wanted = command["to"]
        async with self._connected:
            await self._connected.wait_for(lambda: self._peers.keys() >= set(wanted))
        peers = [self._peers[path] for path in wanted]
        numbers = range(command["first"], command["first"] + command["count"])
        if command["do"] == "probe":
            await self._probe(peers, numbers, command["agents"][0], command["gap"])
        elif command["do"] == "fan":
            await self._fan(peers[0], command["first"], command["agents"])
        else:
            await self._flood(peers[0], numbers, command["agents"])

    async def _probe(self, peers: list[ServerConnection], numbers: range, agent: str, gap: float) -> None:
        """Complete subtasks that others wait for, at one peer after the other, in random order."""
        for peer in peers:
            for number in numbers:
                await self._send(peer, "subtask.created", id=f"up-{number}", title="The upstream")
                await self._send(
                    peer, "subtask.created", id=f"down-{number}", title="The dependent",
                    assignees=[agent], dependencies=[f"up-{number}"], details="Details. " * 40,
                )  # fmt: skip
        await asyncio.sleep(0.5)
        due = time.monotonic()
        for number in numbers:
            random.shuffle(peers)
            for peer in peers:
                due += gap
                await asyncio.sleep(due - time.monotonic())
                summary = f"{stamp(number, agent)} " + "Five tables, with UUIDs. " * 12
                await self._send(
                    peer, "subtask.completed", id=f"up-{number}", completion_summary=summary,
                    insights_found=["Use UUIDs"], files_modified=["schema.sql"],
                )  # fmt: skip

    async def _fan(self, peer: ServerConnection, number: int, agents: list[str]) -> None:
        """Complete a subtask that one subtask of each agent waits for."""
        await self._send(peer, "subtask.created", id=f"up-{number}", title="The upstream")
        for place, agent in enumerate(agents):
            await self._send(
                peer, "subtask.created", id=f"down-{number}-{place}", title="A dependent",
                assignees=[agent], dependencies=[f"up-{number}"], details="Details. " * 40,
            )  # fmt: skip
        await asyncio.sleep(2.0)
        summary = f"{stamp(number, 'all')} " + "Five tables, with UUIDs. " * 12
        await self._send(peer, "subtask.completed", id=f"up-{number}", completion_summary=summary)

    async def _flood(self, peer: ServerConnection, numbers: range, agents: list[str]) -> None:
        """Send messages to the agents in turn, as fast as they are accepted."""
        for number in numbers:
            agent = agents[number % len(agents)]
            text = f"{stamp(number, agent)} " + "Please have a look at this. " * 4
            await self._send(
                peer,
                "agent.message",
                agent=agent,
                message=text,
                **{"from": "a-person"},
            )

    async def _send(self, peer: ServerConnection, kind: str, **payload: Any) -> None:
        self._seq += 1
        event = {
            "id": f"event-{self._seq}",
            "seq": self._seq,
            "event_type": kind,
            "payload": payload,
            "timestamp": "2025-01-01T00:00:00Z",
        }
        await peer.send(orjson.dumps(event), text=True)


async def main() -> None:
    """Serve on loopback until standard input ends."""
    backend = StampingBackend()
    async with serve(backend.converse, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            await backend.obey(json.loads(line))
            print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
