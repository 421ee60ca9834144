"""The faults that the stand-in commits on request: the one place that lists them.

The environment variable SCRIPTED_CLAUDE_FAULTS holds a JSON object. An `nth` counts the user messages that a
process reads, from 1; such a fault happens once a session, however often that is resumed (a file beside
the transcript remembers it).
"""

import json
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

KNOWN = {
    "exit_on_start": "exit code: ends before anything is read",
    "crash_before_receipt": "nth: dies as by SIGKILL before the message is acknowledged",
    "crash_before_transcript": "nth: dies after `started`, before the transcript knows the message",
    "crash_after_started": "nth: dies after `started`, when the transcript has the message and no answer",
    "crash_before_result": "nth: dies when all was said and done but the result",
    "lose_message": "nth: swallows the message without a receipt",
    "no_receipts": "true: no life-cycle events and no replay at all",
    "late_receipts": "seconds: each life-cycle event comes so much later",
    "stop_reading": "nth: reads nothing after this message until SIGCONT",
    "garbage_line": "nth: a line that is no JSON stands before the answer",
    "half_line_then_exit": "nth: half of a line instead of the answer, then exit 1",
    "stderr_noise": "text: said on stderr at the start of each turn",
    "api_retry": "{nth, attempts, error_status, retry_delay_ms}: the API fails and is asked again; null: no answer",
    "result_error": "{nth, text, status, error, limit_seconds}: the turn ends with an error of the API; the last is how"
    " long a usage limit lasts",
    "refuse_prompt": "{reason, kept, until}: a hook stops each message until this file exists; kept: it stays in the"
    " history",
    "refuse_as_told": "path: while this file exists, a hook stops each message; it holds {reason, kept}",
    "sleeps_through": "true: the end of a background command begins no turn",
    "deny_tool": "[names]: these tools are denied",
    "hang_in_turn": "nth: never answers",
    "close_terminal": "nth: closes its terminal and lives on",
    "ignore_sigterm": "true: only SIGKILL ends it",
}
VARIABLE = "SCRIPTED_CLAUDE_FAULTS"


class Faults:
    """The faults that are switched on, and those of them that have happened.

    Args:
        given: by name; see `KNOWN`.
        memory: the file that remembers the ones which happen once.

    Raises:
        ValueError: a name is unknown.
    """

    def __init__(self, given: Mapping[str, Any], memory: Path) -> None:
        unknown = sorted(set(given) - set(KNOWN))
        if unknown:
            raise ValueError(f"unknown faults {unknown}; known are {sorted(KNOWN)}")
        self._given = dict(given)
        self._memory = memory

    @classmethod
    def of_environment(cls, memory: Path) -> "Faults":
        """Read the faults from SCRIPTED_CLAUDE_FAULTS."""
        return cls(json.loads(os.environ.get(VARIABLE) or "{}"), memory)

    def get(self, name: str) -> Any:  # noqa: ANN401  each fault has a value of its own
        """Return the value of a lasting fault; None where it is off."""
        return self._given.get(name)

    def due(self, name: str, number: int) -> dict[str, Any] | None:
        """Return the details of a fault if it is due at this message, and count it as happened; else None."""
        value = self._given.get(name)
        if value is None:
            return None
        details = dict(value) if isinstance(value, dict) else {"nth": value}
        if number != details.get("nth", 1) or name in self._happened():
            return None
        self._remember(name)
        return details

    def _happened(self) -> list[str]:
        return self._memory.read_text(encoding="utf-8").split() if self._memory.exists() else []

    def _remember(self, name: str) -> None:
        self._memory.parent.mkdir(parents=True, exist_ok=True)
        with self._memory.open("a", encoding="utf-8") as file:
            file.write(name + "\n")

    def die(self) -> None:
        """End the process by SIGKILL: nothing more is written."""
        os.kill(os.getpid(), signal.SIGKILL)
