"""The account of a turn for its result event: the messages it answers, its cost and its duration.

The figures are made up; their shape is the real one's.
"""

import time
from collections.abc import Iterable
from typing import Any

_PRICES = {"input": 4e-6, "output": 2e-5}
"""Dollars per token."""


class Account:
    """The figures of one process: cost adds up over its turns."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._results = 0
        self._total = {"input": 0, "output": 0}
        self.begin([])

    def begin(self, message_ids: Iterable[str]) -> None:
        """Begin a turn with the messages that it answers."""
        self.message_ids = [message_id for message_id in message_ids if message_id]
        self.denials: list[dict[str, Any]] = []
        self.said = ""
        self._answers = 0
        self._tokens = {"input": 0, "output": 0}
        self._since = time.monotonic()

    def answered(self, heard: int, spoken: int) -> dict[str, int]:
        """Count one answer by the characters heard and spoken; return its usage."""
        used = {"input": 1 + heard // 4, "output": 1 + spoken // 4}
        self._answers += 1
        for kind, tokens in used.items():
            self._tokens[kind] += tokens
            self._total[kind] += tokens
        return _usage(used)

    def result(self, outcome: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of the turn's result event."""
        cost = sum(_PRICES[kind] * tokens for kind, tokens in self._total.items())
        first = {"user_message_uuid": self.message_ids[0]} if self.message_ids else {}
        fields = {
            "duration_ms": round(1000 * (time.monotonic() - self._since)),
            "duration_api_ms": 0,
            "num_turns": self._answers,
            "total_cost_usd": cost,
            "usage": _usage(self._tokens),
            "modelUsage": {self._model: self._usage_of_model(cost)},
            "permission_denials": self.denials,
            "queued_turn_count": 0,
            "result_index": self._results,
            "user_message_uuids": self.message_ids,
        }
        self._results += 1
        return fields | first | outcome

    def _usage_of_model(self, cost: float) -> dict[str, Any]:
        return {"inputTokens": self._total["input"], "outputTokens": self._total["output"], "costUSD": cost}


def _usage(tokens: dict[str, int]) -> dict[str, int]:
    cache = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    return {"input_tokens": tokens["input"], "output_tokens": tokens["output"], **cache}
