"""A kind of thing that is added and not handled is a type error, where it has to be handled.

A copy of the product gets one more event, delivery kind, report, and message of each direction, and nothing else. Then
mypy must name every place that a newcomer has to visit (docs/contributing.md has the recipes).
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

EVENT = '''

class NodeArchived(NodeEvent):
    """A task or subtask was archived."""

    @property
    def kind(self) -> EventKind:
        """``subtask.archived``."""
        return "subtask.archived"

'''
REPORT = '''

class ReportProgress(Report):
    """Progress of an agent."""

    agent: AgentName

'''
SESSION_MESSAGES = '''

class Pause(Model):
    """Begin nothing new."""


class SessionTired(Model):
    """A session wants a pause."""

'''
ADDITIONS = [
    ("protocol/events.py", r"EventKind = Literal\[", 'EventKind = Literal["subtask.archived", '),
    ("protocol/events.py", r"\n\nclass NodeDeleted\(", EVENT + "\nclass NodeDeleted("),
    ("protocol/events.py", r"AnyNodeEvent = ", "AnyNodeEvent = NodeArchived | "),
    (
        "protocol/deliveries.py",
        r'    REMINDER = "reminder"',
        '    NUDGE = "nudge"\n    REMINDER = "reminder"',
    ),
    ("protocol/reports.py", r"\n\nAnyReport = \(\n", REPORT + "\nAnyReport = (\n    ReportProgress |\n"),
    ("protocol/sessions.py", r"\n\nFromSession = ", SESSION_MESSAGES + "\nFromSession = SessionTired | "),
    ("protocol/router.py", r"import Adopt, ", "import Pause, Adopt, "),
    ("protocol/router.py", r"ToSession = ", "ToSession = Pause | "),
    ("protocol/router.py", r"ToConnection = ", "ToConnection = Pause | "),
]
"""A file below ``actors/``, what stands there (an expression), what stands there afterwards."""

EXPECTED = {
    "an event": {"graph/graph.py", "router/backend.py", "connection/dialects/event_reader.py"},
    "a delivery kind": {"router/context.py"},
    "a report": {"router/reports.py"},
    "a message to a session": {"session/actor.py"},
    "a message from a session": {"router/handlers.py"},
    "a message to the connection": {"connection/actor.py"},
}
"""The files that mypy must name, by what was added."""
UNREACHABLE = 'Argument 1 to "assert_never" has incompatible type'


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The complaints of mypy about each file of the copy, below ``actors/``."""
    copy = tmp_path_factory.mktemp("copy")
    for package in ("actors", "serving", "supervisors"):
        shutil.copytree(ROOT / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copy)
    for name, stands, becomes in ADDITIONS:
        path = copy / "actors" / name
        changed, count = re.subn(stands, becomes.replace("\\", r"\\"), path.read_text("utf-8"), count=1)
        assert count == 1, f"{name} has no {stands}"
        path.write_text(changed, "utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--no-incremental", "-p", "actors"],
        cwd=copy,
        capture_output=True,
        text=True,
        check=False,
    )
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        if match := re.match(r"actors/([\w/]+\.py):\d+: error: (.*)", line):
            found.setdefault(match[1], []).append(match[2])
    assert found, done.stdout + done.stderr
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("added", EXPECTED)
def test_what_is_added_and_not_handled_is_a_type_error(added: str, complaints: dict[str, list[str]]) -> None:
    for name in EXPECTED[added]:
        assert any(text.startswith(UNREACHABLE) for text in complaints.get(name, [])), (name, complaints)
