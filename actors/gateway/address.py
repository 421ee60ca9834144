"""Where the coordinator answers, and the file that tells others so."""

import errno
import os
import secrets
import socket
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from actors.errors import ConfigurationError

_HOST = "127.0.0.1"
_BACKLOG = 128


def bind(port: int) -> socket.socket:
    """A listening socket on loopback; connections wait in its backlog until a server takes them.

    Args:
        port: The port; 0 takes any free one.

    Raises:
        ConfigurationError: The port can't be had.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_HOST, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        why = (
            "is in use by another program"
            if error.errno == errno.EADDRINUSE
            else f"can't be had: {error.strerror}"
        )
        raise ConfigurationError(f"GATEWAY_PORT: port {port} on {_HOST} {why}") from error
    return listener


def url_of(listener: socket.socket) -> str:
    """The address to reach it at, without a slash at the end."""
    host, port = listener.getsockname()
    return f"http://{host}:{port}"


class CoordinatorFile(BaseModel):
    """What ``coordinator.json`` holds: how the command line finds a coordinator that runs.

    Attributes:
        pid: Its process.
        url: Where its gateway answers.
        started_at: When it started.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    pid: int
    url: str
    started_at: datetime

    def write(self, path: Path) -> None:
        """Put it there, whole or not at all, readable by us only."""
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(self.model_dump_json() + "\n")
        draft.replace(path)

    @classmethod
    def read(cls, path: Path) -> "CoordinatorFile | None":
        """What it says; None if there is none.

        Raises:
            ConfigurationError: There is one that can't be used.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise ConfigurationError(f"{path} can't be read; if no coordinator runs, delete it") from error
