"""A request to the double of the Messages API."""

import time
from dataclasses import dataclass, field
from typing import Any

from actors.scripted_claude.play import user_texts


@dataclass(frozen=True)
class Request:
    """One request, with the time of its arrival (monotonic seconds)."""

    number: int
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    at: float = field(default_factory=time.monotonic)

    @property
    def is_turn(self) -> bool:
        """True for a step of a conversation, False for a side request (a title, a quota)."""
        return self.path == "/v1/messages" and bool(self.body.get("tools"))

    @property
    def session(self) -> str:
        """The session that it belongs to; empty if it names none."""
        return self.headers.get("x-claude-code-session-id", "")

    @property
    def user_texts(self) -> list[str]:
        """All user texts in its history, oldest first (claude ends joined ones with a newline)."""
        texts = [text for message in self.body.get("messages", []) for text in user_texts(message)]
        return [text.removesuffix("\n") for text in texts]

    @property
    def tool_results(self) -> list[dict[str, Any]]:
        """All results of tools in its history, oldest first."""
        contents = [m["content"] for m in self.body.get("messages", []) if isinstance(m.get("content"), list)]
        return [block for content in contents for block in content if block.get("type") == "tool_result"]
