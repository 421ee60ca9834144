"""The coordinator's listening sockets, which outlive the servers on them: their ports are never free meanwhile."""

import errno
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from actors.app.settings import Settings
from actors.embedded import forget_token
from actors.lib.errors import ConfigurationError
from actors.workdir import WorkDir
from serving import listen, listen_privately, url_of

_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Listeners:
    """The open sockets.

    Attributes:
        gateway: The gateway's.
        backend: The embedded backend's: for everybody who has its token, and for the coordinator. Empty if there is
            none.
        workdir: The work directory, which has the coordinator's way to the backend.
    """

    gateway: socket.socket
    backend: Sequence[socket.socket]
    workdir: WorkDir

    @property
    def backend_port(self) -> int:
        """The embedded backend's port."""
        return int(self.backend[0].getsockname()[1])

    @property
    def url(self) -> str:
        """The gateway's URL."""
        return url_of(self.gateway)

    def close(self) -> None:
        """Close them."""
        for listener in (self.gateway, *self.backend):
            listener.close()
        if self.backend:
            with suppress(OSError):  # nobody listens there any more, so what is left does no harm
                self.workdir.backend_door.unlink(missing_ok=True)


def open_listeners(settings: Settings, workdir: WorkDir) -> Listeners:
    """Open the sockets that these settings need.

    Raises:
        ConfigurationError: A port or the work directory can't be used.
    """
    gateway = bind("GATEWAY_PORT", settings.gateway_port)
    try:
        return Listeners(gateway, _of_backend(settings, workdir), workdir)
    except BaseException:
        gateway.close()
        raise


def _of_backend(settings: Settings, workdir: WorkDir) -> Sequence[socket.socket]:
    if settings.ws_url is not None:
        return ()
    try:
        port = bind("EMBEDDED_PORT", settings.embedded_port)
    except ConfigurationError as error:
        if _is_taken(error.__cause__):
            forget_token(workdir.backend_token)  # clients may have told it to the program that has the port
        raise
    try:
        return (port, listen_privately(workdir.backend_door))
    except OSError as error:
        port.close()
        raise ConfigurationError(f"{workdir.backend_door} can't be used: {error.strerror}") from error


def bind(setting: str, port: int) -> socket.socket:
    """Return a listening socket on loopback.

    Args:
        setting: The name of the port's setting, for the error.
        port: The port; 0 takes any free one.

    Raises:
        ConfigurationError: The port can't be used.
    """
    try:
        return listen(_HOST, port)
    except OSError as error:
        why = "is in use by another program" if _is_taken(error) else f"can't be used: {error.strerror}"
        raise ConfigurationError(f"{setting}: port {port} on {_HOST} {why}") from error


def _is_taken(error: BaseException | None) -> bool:
    return isinstance(error, OSError) and error.errno == errno.EADDRINUSE
