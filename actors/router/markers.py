"""The words by which an agent without tools says how its subtask ended.

They count only in what Claude said last, never in what was sent to it; and only where they stand as a statement, at
the beginning of a line (or, for a completion, at its end), not where a sentence speaks about them.
"""

import re
from typing import Literal

COMPLETED = re.compile(
    r'^\W*TASK_COMPLETE\b|\bTASK_COMPLETE\W*$|✅ Task completed|"status"\s*:\s*"success"', re.MULTILINE
)
BLOCKED = re.compile(r"^\W*(BLOCKED|human_intervention_needed)\b", re.MULTILINE)


def find_marker(text: str) -> Literal["completed", "blocked"] | None:
    """What the text says; where it says both, the last word counts."""
    completed = max((found.start() for found in COMPLETED.finditer(text)), default=-1)
    blocked = max((found.start() for found in BLOCKED.finditer(text)), default=-1)
    if completed < 0 and blocked < 0:
        return None
    return "completed" if completed > blocked else "blocked"
