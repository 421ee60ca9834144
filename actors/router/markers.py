"""The words by which an agent without tools says how its subtask ended.

They count only in what Claude said last, never in what was sent to it.
"""

import re
from typing import Literal

COMPLETED = re.compile(r'\bTASK_COMPLETE\b|✅ Task completed|"status"\s*:\s*"success"')
BLOCKED = re.compile(r"\bBLOCKED\b|\bhuman_intervention_needed\b")


def find_marker(text: str) -> Literal["completed", "blocked"] | None:
    """What the text says; where it says both, the last word counts."""
    completed = max((found.start() for found in COMPLETED.finditer(text)), default=-1)
    blocked = max((found.start() for found in BLOCKED.finditer(text)), default=-1)
    if completed < 0 and blocked < 0:
        return None
    return "completed" if completed > blocked else "blocked"
