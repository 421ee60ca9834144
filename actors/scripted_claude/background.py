"""Commands in the background: they outlast their turn, and their end begins a turn by itself."""

import threading
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from .output import Output
from .play import NOTIFICATION

if TYPE_CHECKING:
    from subprocess import Popen

_BOUNDS = f"<{NOTIFICATION}>", f"</{NOTIFICATION}>"


class Background:
    """The background commands of a process.

    Args:
        output: told of each beginning and end.
        wake: begins a turn with this text.
    """

    def __init__(self, output: Output, wake: Callable[[str], None]) -> None:
        self._output = output
        self._wake = wake
        self._running: dict[str, str] = {}
        self._lock = threading.Lock()

    def add(self, process: "Popen[bytes]", use_id: str, description: str) -> str:
        """Follow a command that was started; return what the model is told."""
        task_id = f"b{uuid.uuid4().hex[:8]}"
        with self._lock:
            self._running[task_id] = description
            self._tell_all()
        fields = {"task_id": task_id, "tool_use_id": use_id, "description": description}
        self._output.event(
            "system", subtype="task_started", is_backgrounded=True, task_type="local_bash", **fields
        )
        threading.Thread(target=self._follow, args=(process, fields), name=task_id, daemon=True).start()
        return f"Command running in background with ID: {task_id}."

    def _follow(self, process: "Popen[bytes]", fields: dict[str, str]) -> None:
        code = process.wait()
        task_id, status = fields["task_id"], "failed" if code else "completed"
        summary = f'Background command "{fields["description"]}" {status} (exit code {code})'
        with self._lock:
            self._output.event("system", subtype="task_updated", task_id=task_id, patch={"status": status})
            self._output.event(
                "system",
                subtype="task_notification",
                **fields,
                status=status,
                output_file="",
                summary=summary,
            )
            del self._running[task_id]
            self._tell_all()
        self._wake(f"{_BOUNDS[0]}\n<task-id>{task_id}</task-id>\n<summary>{summary}</summary>\n{_BOUNDS[1]}")

    def _tell_all(self) -> None:
        tasks = [
            {"task_id": task_id, "task_type": "local_bash", "description": description}
            for task_id, description in self._running.items()
        ]
        self._output.tasks(tasks)
