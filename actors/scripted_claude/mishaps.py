"""The faults within a turn, which the worker commits on request."""

import json
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from .faults import Faults
from .inbox import Inbox, Message
from .output import Output

_ERRORS = {
    400: "invalid_request",
    401: "authentication_failed",
    404: "model_not_found",
    429: "rate_limit",
    529: "overloaded",
}


def error_name(status: int | None, unanswered: str) -> str:
    """Return claude's name for an error of the API with this HTTP status; None: it gave no answer."""
    return unanswered if status is None else _ERRORS.get(status, "server_error")


class Mishaps:
    """Commits the faults of a turn that are due.

    Args:
        faults: the faults to commit.
        inbox: knows whether the turn was interrupted.
        output: where events go.
    """

    def __init__(self, faults: Faults, inbox: Inbox, output: Output) -> None:
        self._faults = faults
        self._inbox = inbox
        self._output = output

    def _due(self, fault: str, message: Message) -> dict[str, Any] | None:
        return next(filter(None, (self._faults.due(fault, each.number) for each in message.all)), None)

    def crash(self, fault: str, message: Message) -> None:
        """Die, if that fault is due."""
        if self._due(fault, message):
            time.sleep(0.01)  # what was written before lies in the terminal's buffer by then
            self._faults.die()

    def before_answer(self, message: Message) -> None:
        """Commit the faults that are due between a turn's beginning and its answer."""
        if noise := self._faults.get("stderr_noise"):
            sys.stderr.write(f"{noise}\n")
            sys.stderr.flush()
        if self._due("hang_in_turn", message):
            self._inbox.interrupted.wait()
        if self._due("close_terminal", message):
            os.close(sys.stdout.fileno())
            self._inbox.interrupted.wait()
        if self._due("garbage_line", message):
            self._output.raw("this is no JSON \x1b[31m\n")
        if self._due("half_line_then_exit", message):
            self._output.raw('{"type":"assistant","message":{"content":[{"type":"te')
            os._exit(1)
        if retry := self._due("api_retry", message):
            self._retry(retry)

    def refusal(self) -> dict[str, Any] | None:
        """Return the reason for which a hook stops the message, and whether it stays in the history; or None."""
        if order := self._faults.get("refuse_as_told"):
            with suppress(FileNotFoundError):
                return dict(json.loads(Path(order).read_text(encoding="utf-8")))
        fault = self._faults.get("refuse_prompt")
        if fault is None or Path(fault["until"]).exists():
            return None
        return {"reason": fault["reason"], "kept": bool(fault.get("kept"))}

    def failure(self, message: Message) -> dict[str, Any] | None:
        """Return the error of the API that ends this turn, or None."""
        fault = self._due("result_error", message)
        if fault and (seconds := fault.get("limit_seconds")):
            info = {
                "status": "rejected",
                "resetsAt": int(time.time() + seconds),
                "rateLimitType": "five_hour",
            }
            self._output.event("rate_limit_event", rate_limit_info=info)
        return fault

    def _retry(self, fault: Mapping[str, Any]) -> None:
        attempts, delay = int(fault.get("attempts", 1)), int(fault.get("retry_delay_ms", 100))
        status = fault.get("error_status", 529)
        for attempt in range(1, attempts + 1):
            self._output.event(
                "system",
                subtype="api_retry",
                attempt=attempt,
                max_retries=attempts,
                retry_delay_ms=delay,
                error_status=status,
                error=error_name(status, "unknown"),
            )
            self._inbox.pause(delay / 1000)
