"""The proxy on the way to the backend, from the environment: HTTPS_PROXY for wss, HTTP_PROXY for ws, and NO_PROXY."""

import ipaddress
import os
import socket
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import websocket
from websocket._http import _tunnel
from websocket._url import get_proxy_info

from actors.lib.errors import CoordinatorError

_DEFAULT_PORT = 80
_SCHEMES = ("http", "https")
"""Both mean the same: the proxy itself is asked in clear text."""
_UNAUTHORIZED = "status: 407"


class ProxyError(CoordinatorError):
    """The proxy can't be used; the text says why, for a person."""


class Proxy(NamedTuple):
    """An HTTP proxy that opens tunnels.

    Attributes:
        variable: The environment variable that names it.
        login: Its user and password.
    """

    variable: str
    host: str
    port: int
    login: tuple[str, str] | None = None

    def __str__(self) -> str:
        return f"the proxy {self.host}:{self.port} of {self.variable}"

    def tunnel(self, opened: socket.socket, host: str, port: int) -> None:
        """Have the proxy pass on what this connection to it carries.

        Raises:
            ProxyError: It doesn't.
        """
        shown = f"[{host}]" if ":" in host else host
        try:
            _tunnel(opened, shown, port, self.login)
        except websocket.WebSocketException as error:
            words = str(error)
            if _UNAUTHORIZED in words:
                raise ProxyError(f"{self} wants a user and a password, or others than these") from error
            status = words.rpartition("status: ")[2] if "status: " in words else ""
            said = f"refuses to lead there (HTTP {status})" if status.isdecimal() else "is no HTTP proxy"
            raise ProxyError(f"{self} {said}") from error


def find_proxy(host: str, *, secure: bool) -> Proxy | None:
    """Return the proxy for connections to this host; None: there is none. No proxy leads to this machine itself.

    Raises:
        ProxyError: The variable can't be used.
    """
    variable = "HTTPS_PROXY" if secure else "HTTP_PROXY"
    value = (os.environ.get(variable.lower()) or os.environ.get(variable) or "").strip()
    if not value or _is_here(host):
        return None
    proxy = _read(variable, value)
    wanted, *_ = get_proxy_info(host, secure, proxy.host, proxy.port)  # none where NO_PROXY has the host
    return proxy if wanted else None


def _read(variable: str, value: str) -> Proxy:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        host, port = parts.hostname, parts.port or _DEFAULT_PORT
    except ValueError:
        host = None
    if host is None or parts.scheme not in _SCHEMES:
        raise ProxyError(f"{variable} can't be used: it must look like http://host:port")
    login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    return Proxy(variable, host, port, login)


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
