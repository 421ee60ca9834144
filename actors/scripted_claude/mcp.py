"""A client for the coordinator's tools: JSON-RPC over streamable HTTP, with the standard library only."""

import http.client
import itertools
import json
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from .options import VERSION

_PROTOCOL = "2025-06-18"
_NOT_FOUND = 404
_TIMEOUT = 600.0
"""The timeout of one call, in seconds: a tool may wait for a person."""


class McpError(Exception):
    """The server can't be reached, or refused."""


class McpServer:
    """One server of the configuration. Where it has forgotten the MCP session, a new one is begun.

    Args:
        config: `url` and `headers`, as in `--mcp-config`.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._url = urlsplit(str(config["url"]))
        self._headers = dict(config.get("headers", {}))
        self._session: str | None = None
        self._ids = itertools.count(1)
        self._connection: http.client.HTTPConnection | None = None

    def tools(self) -> list[str]:
        """Shake hands, and return the names of its tools.

        Raises:
            McpError: it is down, or the token is wrong.
        """
        self._handshake()
        return [tool["name"] for tool in self._request("tools/list", {}).get("tools", [])]

    def call(self, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Call a tool; return its `content` and `isError`.

        Raises:
            McpError: the call failed before the tool could answer.
        """
        params = {"name": name, "arguments": arguments}
        try:
            return self._request("tools/call", params)
        except _ForgottenError:
            self._handshake()
            return self._request("tools/call", params)

    def abort(self) -> None:
        """End the running call, from another thread."""
        connection = self._connection
        if connection and connection.sock:
            connection.sock.shutdown(socket.SHUT_RDWR)

    def _handshake(self) -> None:
        self._session = None
        info = {"name": "claude-code", "version": VERSION}
        self._request("initialize", {"protocolVersion": _PROTOCOL, "capabilities": {}, "clientInfo": info})
        self._post({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def _request(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        number = next(self._ids)
        answer = self._post({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        if "error" in answer:
            raise McpError(str(answer["error"].get("message", "refused")))
        return dict(answer.get("result", {}))

    def _post(self, body: Mapping[str, Any]) -> dict[str, Any]:
        connection = http.client.HTTPConnection(self._url.netloc, timeout=_TIMEOUT)
        self._connection = connection
        try:
            connection.request("POST", self._url.path or "/", json.dumps(body), self._request_headers())
            response = connection.getresponse()
            return self._read(response, response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise McpError(f"{type(error).__name__}: {error}") from error
        finally:
            self._connection = None
            connection.close()

    def _request_headers(self) -> dict[str, str]:
        headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        if self._session:
            headers |= {"mcp-session-id": self._session, "mcp-protocol-version": _PROTOCOL}
        return headers | self._headers

    def _read(self, response: http.client.HTTPResponse, data: bytes) -> dict[str, Any]:
        if response.status == _NOT_FOUND and self._session:
            raise _ForgottenError("the server has forgotten the session")
        if response.status >= http.client.BAD_REQUEST:
            raise McpError(f"HTTP {response.status}")
        self._session = response.getheader("mcp-session-id") or self._session
        if "text/event-stream" in (response.getheader("content-type") or ""):
            return _last_event(data.decode())
        return dict(json.loads(data)) if data else {}


class _ForgottenError(McpError):
    """The server was restarted since the handshake."""


def _last_event(text: str) -> dict[str, Any]:
    """Return the answer in a stream of events; progress and logs may stand before it."""
    events = [
        json.loads(line[5:]) for line in text.splitlines() if line.startswith("data:") and line[5:].strip()
    ]
    answers = [event for event in events if "id" in event and ("result" in event or "error" in event)]
    return dict(answers[-1]) if answers else {}
