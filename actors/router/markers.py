"""Markers, the words by which an agent without tools reports the end of its subtask.

They count only in Claude's last message, never in what was sent to it. And they count only as a statement, at the
beginning of a line (or, for a completion, at its end), not inside a sentence about them.
"""

import re
from typing import Literal

COMPLETED = re.compile(
    r'^\W*TASK_COMPLETE\b|\bTASK_COMPLETE\W*$|✅ Task completed|"status"\s*:\s*"success"', re.MULTILINE
)
BLOCKED = re.compile(r"^\W*(BLOCKED|human_intervention_needed)\b", re.MULTILINE)


def find_marker(text: str) -> Literal["completed", "blocked"] | None:
    """Return the end that the text reports, if any; of both, the last one counts."""
    completed = max((found.start() for found in COMPLETED.finditer(text)), default=-1)
    blocked = max((found.start() for found in BLOCKED.finditer(text)), default=-1)
    if completed < 0 and blocked < 0:
        return None
    return "completed" if completed > blocked else "blocked"
