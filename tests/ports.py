"""Ports for the programs that tests start."""

import secrets
import socket

PORTS = range(10_000, 32_000)
"""Ports below those for outgoing connections, so that none is taken between its choice and its use."""


def free_port() -> int:
    """Choose a port on loopback that nobody listens on, at random, since other tests choose beside this one."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
