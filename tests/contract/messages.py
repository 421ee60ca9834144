"""Messages in the coordinator's format, with a play in the quoted part."""

import json
from pathlib import Path
from typing import Any


def message(*steps: dict[str, Any], kind: str = "message", title: str = "Design schema") -> str:
    """Return a message whose play is `steps`."""
    header = f"[coordinator delivery=d1 kind={kind} subtask=A]"
    play = f"\n> @play {json.dumps(steps)}" if steps else ""
    return f"{header}\nHere is a task.\n> Title: {title}{play}"


def say(text: str) -> dict[str, Any]:
    """Return the step in which Claude says a text."""
    return {"say": text}


def wait_for(gate: Path) -> dict[str, Any]:
    """Return the step of a tool that runs until the gate exists."""
    return {"bash": f"until [ -e {gate} ]; do sleep 0.05; done"}
