"""Messages as the coordinator writes them, with a play in the quoted part."""

import json
from pathlib import Path
from typing import Any


def message(*steps: dict[str, Any], kind: str = "message", title: str = "Design schema") -> str:
    """A message whose play is `steps`."""
    header = f"[coordinator delivery=d1 kind={kind} subtask=A]"
    play = f"\n> @play {json.dumps(steps)}" if steps else ""
    return f"{header}\nHere is a task.\n> Title: {title}{play}"


def say(text: str) -> dict[str, Any]:
    """Claude says a text."""
    return {"say": text}


def wait_for(gate: Path) -> dict[str, Any]:
    """A tool that runs until the gate is there."""
    return {"bash": f"until [ -e {gate} ]; do sleep 0.05; done"}
