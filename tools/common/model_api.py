"""A local double of the Messages API: it streams, uses tools, fails on request, and records every request.

Its answers follow the plays in the messages (`actors.scripted_claude.play`). It computes them from the history in
each request and keeps no state of a conversation, so a resume works too.
Tests can check the text that the model received: `api.user_texts()`, `api.wait_for(…)`.

As a program, `python -m tools.common.model_api --port 0` prints `ready http://127.0.0.1:PORT` and serves until
SIGTERM.
"""

import argparse
import contextlib
import itertools
import json
import signal
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from actors.scripted_claude.play import Fault, Plan, Say, Sleep, Step, Tool
from tools.common.model_request import Request

_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
    529: "overloaded_error",
}


@dataclass
class _Failure:
    """A failure that the next requests of turns get instead of an answer."""

    fault: Fault
    times: int


class ModelApi:
    """The double, a context manager. `url` is the value for ANTHROPIC_BASE_URL.

    Args:
        port: the port on loopback; 0 for any free one.
    """

    def __init__(self, port: int = 0) -> None:
        self.requests: list[Request] = []
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._open = threading.Event()
        self._open.set()
        self._failures: list[_Failure] = []
        self._played: Counter[str] = Counter()
        self._server = _ApiServer(self, port)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="model-api")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Cut off all answers, and wait until the last thread has ended."""
        self._stopping.set()
        self._open.set()
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        self._thread.join()

    # For tests.

    def turns(self, session: str = "") -> list[Request]:
        """Return the requests of conversations (or of one session), oldest first."""
        with self._changed:
            return [r for r in self.requests if r.is_turn and session in ("", r.session)]

    def user_texts(self, session: str = "") -> list[str]:
        """Return each user text as often as the model received it, not counting the history in later requests."""
        told: dict[tuple[str, str], int] = {}
        for request in self.turns(session):
            for text, times in Counter(request.user_texts).items():
                key = (request.session, text)
                told[key] = max(told.get(key, 0), times)
        return [text for (_, text), times in told.items() for _ in range(times)]

    def told(self, part: str, session: str = "") -> int:
        """Count how often the model received a user text that contains `part`."""
        return sum(text.count(part) for text in self.user_texts(session))

    def wait_for(self, predicate: Callable[["ModelApi"], bool], timeout: float = 20.0) -> None:
        """Wait until the predicate holds; it is evaluated at each request.

        Args:
            predicate: called with this double.
            timeout: in seconds.

        Raises:
            TimeoutError: it did not hold in time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: predicate(self), timeout):
                raise TimeoutError(f"not within {timeout} s; the model was told {self.user_texts()!r}")

    def fail(
        self, status: int, *, times: int = 1, retry_after: float | None = None, message: str = ""
    ) -> None:
        """Answer the next requests of turns with an error."""
        detail = {"status": status, "retry_after": retry_after, "message": message}
        self._failures.append(_Failure(Fault("error", detail), times))

    def recover(self) -> None:
        """Stop failing."""
        self._failures.clear()

    def drop(self, *, times: int = 1, at_once: bool = False) -> None:
        """Cut the connection in the middle of the next answers, or before they begin."""
        self._failures.append(_Failure(Fault("drop", {"at_once": at_once}), times))

    def stall(self, *, times: int = 1) -> None:
        """Give the next requests no answer, and keep the connection open."""
        self._failures.append(_Failure(Fault("hang", {}), times))

    def hold(self) -> None:
        """Make the requests of turns wait for `release`."""
        self._open.clear()

    def release(self) -> None:
        """Answer the requests that wait."""
        self._open.set()

    # For the server.

    def arrived(self, path: str, headers: dict[str, str], body: dict[str, Any]) -> Request:
        """Record a request, and wake the tests that wait for it."""
        with self._changed:
            request = Request(len(self.requests), path, headers, body)
            self.requests.append(request)
            self._changed.notify_all()
        return request

    def answer(self, request: Request) -> list[Step]:
        """Return the steps of the answer; a due fault is the only or the last one."""
        if not request.is_turn:
            return [Say("ok")]
        self._open.wait()
        failure = self._due()
        steps = Plan.of_history(request.body["messages"]).next_answer()
        steps = [self._known_tool(step, request) for step in steps if self._still_fails(step, request)]
        return [*steps, failure] if failure else steps

    def sleep(self, seconds: float) -> None:
        """Think for a while, unless the double is being closed."""
        self._stopping.wait(seconds)

    def hang(self) -> None:
        """Wait until the double is closed."""
        self._stopping.wait()

    def _due(self) -> Fault | None:
        with self._changed:
            for failure in self._failures:
                if failure.times > 0:
                    failure.times -= 1
                    return failure.fault
        return None

    def _still_fails(self, step: Step, request: Request) -> bool:
        """Tell whether a step is still due: a fault only the first `times` times (default once) in a conversation."""
        if not isinstance(step, Fault):
            return True
        key = f"{request.session} {step!r} {len(request.user_texts)}"
        with self._changed:
            self._played[key] += 1
            return self._played[key] <= int(step.detail.get("times", 1))

    def _known_tool(self, step: Step, request: Request) -> Step:
        known = {tool.get("name") for tool in request.body["tools"]}
        if isinstance(step, Tool) and step.name not in known:
            return Say(f"(no such tool: {step.name})")
        return step


class _ApiServer(ThreadingHTTPServer):
    """The double's HTTP server, which tracks its connections in order to close them."""

    daemon_threads = False

    def __init__(self, api: ModelApi, port: int) -> None:
        self.api = api
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Close connections that clients keep open, so that the threads that read from them end."""
        with self._lock:
            for connection in self._connections:
                with contextlib.suppress(OSError):  # its client may have reset it
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect, which is normal here."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _ApiServer
    _ids = itertools.count(1)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  named and typed so by the base
        """Log nothing, because the requests are recorded."""

    def do_HEAD(self) -> None:
        self._json(200, {})

    def do_GET(self) -> None:
        self._json(404, _error(404, "nothing here"))

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length", 0)))
        body = json.loads(raw or b"{}")
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = self.server.api.arrived(self.path.partition("?")[0], headers, body)
        if request.path.endswith("/count_tokens"):
            self._json(200, {"input_tokens": len(raw) // 4})
        elif request.path == "/v1/messages":
            self._answer(request)
        else:
            self._json(404, _error(404, "nothing here"))

    def _answer(self, request: Request) -> None:
        steps = self.server.api.answer(request)
        fault = next((step for step in steps if isinstance(step, Fault)), None)
        if fault and fault.kind == "error":
            self._fail(fault.detail)
        elif fault and fault.kind == "hang":
            self.server.api.hang()
            self.close_connection = True
        elif fault and (fault.detail.get("at_once") or not request.body.get("stream")):
            self._cut()
        elif request.body.get("stream"):
            self._stream(request, steps)
        else:
            self._json(200, self._whole(request, steps))

    def _fail(self, detail: dict[str, Any]) -> None:
        status = int(detail.get("status", 500))
        after = detail.get("retry_after")
        headers = {} if after is None else {"retry-after": str(after)}
        self._json(status, _error(status, detail.get("message") or f"scripted {status}"), headers)

    def _whole(self, request: Request, steps: list[Step]) -> dict[str, Any]:
        for step in steps:
            if isinstance(step, Sleep):
                self.server.api.sleep(step.seconds)
        content = [block for block in map(self._block, steps) if block]
        return self._message(request) | {"content": content, "stop_reason": _stop_reason(steps)}

    def _stream(self, request: Request, steps: list[Step]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for event in self._events(request, steps):
            self._chunk(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
        if steps and isinstance(steps[-1], Fault):
            self._cut()
        else:
            self._chunk(b"")

    def _cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def _events(self, request: Request, steps: list[Step]) -> Iterator[dict[str, Any]]:
        yield {"type": "message_start", "message": self._message(request)}
        index = 0
        for step in steps:
            if isinstance(step, Sleep):
                self.server.api.sleep(step.seconds)
            elif isinstance(step, Fault):
                return
            else:
                yield from _block_events(index, self._block(step))
                index += 1
        delta = {"stop_reason": _stop_reason(steps), "stop_sequence": None}
        yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 12 + index}}
        yield {"type": "message_stop"}

    def _message(self, request: Request) -> dict[str, Any]:
        usage = {
            "input_tokens": 10,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 1,
        }
        return {
            "id": f"msg_double_{next(self._ids):06}",
            "type": "message",
            "role": "assistant",
            "model": request.body.get("model", "none"),
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }

    def _block(self, step: Step) -> dict[str, Any]:
        if isinstance(step, Say):
            return {"type": "text", "text": step.text}
        if isinstance(step, Tool):
            return {
                "type": "tool_use",
                "id": f"toolu_double_{next(self._ids):06}",
                "name": step.name,
                "input": step.input,
            }
        return {}

    def _json(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)


def _block_events(index: int, block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if block["type"] == "text":
        empty, delta = {"type": "text", "text": ""}, {"type": "text_delta", "text": block["text"]}
    else:
        empty = block | {"input": {}}
        delta = {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
    yield {"type": "content_block_start", "index": index, "content_block": empty}
    yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _stop_reason(steps: list[Step]) -> str:
    return "tool_use" if any(isinstance(step, Tool) for step in steps) else "end_turn"


def _error(status: int, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": _ERRORS.get(status, "api_error"), "message": message}}


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="A local double of the Messages API.")
    parser.add_argument("--port", type=int, default=0)
    ended = threading.Event()
    with ModelApi(parser.parse_args().port) as api:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.set())
        print(f"ready {api.url}", flush=True)
        ended.wait()


if __name__ == "__main__":
    main()
