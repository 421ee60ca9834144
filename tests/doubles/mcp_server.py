"""A minimal MCP server over streamable HTTP: remembers each call and who made it."""

import json
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

_METHOD_NOT_FOUND = -32601


@dataclass(frozen=True)
class Call:
    """One call of a tool."""

    tool: str
    arguments: dict[str, Any]


class McpServer:
    """The server; a context manager.

    Args:
        tools: the names of its tools; each answers "recorded".
        token: the bearer token that it wants.
        port: where to listen on loopback; 0 takes a free one.
    """

    def __init__(self, *tools: str, token: str = "secret", port: int = 0) -> None:  # noqa: S107  a test's token
        self.tools = tools
        self.token = token
        self.calls: list[Call] = []
        self._changed = threading.Condition()
        self._server = _Server(self, port)
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="mcp-server")

    @property
    def config(self) -> str:
        """The value for `--mcp-config`."""
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"http://127.0.0.1:{self.port}/mcp"
        server = {"type": "http", "url": url, "headers": headers, "alwaysLoad": True}
        return json.dumps({"mcpServers": {"coordinator": server}})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def wait_for_calls(self, number: int, timeout: float = 20.0) -> list[Call]:
        """The calls, once there are so many.

        Raises:
            TimeoutError: not within `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.calls) >= number, timeout):
                raise TimeoutError(f"{len(self.calls)} calls within {timeout} s")
            return list(self.calls)

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to one JSON-RPC request."""
        method, params = body["method"], body.get("params", {})
        if method == "tools/call":
            with self._changed:
                self.calls.append(Call(params["name"], params["arguments"]))
                self._changed.notify_all()
            return {"result": {"content": [{"type": "text", "text": "recorded"}]}}
        if method == "initialize":
            info = {"name": "double", "version": "1"}
            version = params["protocolVersion"]
            return {"result": {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": info}}
        if method == "tools/list":
            schema = {"type": "object"}
            return {
                "result": {
                    "tools": [{"name": n, "description": n, "inputSchema": schema} for n in self.tools]
                }
            }
        return {"error": {"code": _METHOD_NOT_FOUND, "message": method}}


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, mcp: McpServer, port: int) -> None:
        self.mcp = mcp
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is the everyday case here."""


class _Handler(BaseHTTPRequestHandler):
    # HTTP/1.0: no connection outlives its answer, so that a restarted server is found anew at once.
    server: _Server

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  named and typed so by the base
        """Silent: the calls are remembered."""

    def do_GET(self) -> None:
        self._send(405, None)

    def do_DELETE(self) -> None:
        self._send(405, None)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.headers["authorization"] != f"Bearer {self.server.mcp.token}":
            self._send(401, None)
        elif "id" not in body:
            self._send(202, None)
        else:
            self._send(200, {"jsonrpc": "2.0", "id": body["id"], **self.server.mcp.answer(body)})

    def _send(self, status: int, body: dict[str, Any] | None) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
