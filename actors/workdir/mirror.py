"""Mirrors, the files in which people and agents read what the journal has; never read back as truth."""

from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from actors.lib.failpoints import failpoint
from actors.lib.files import write_atomically
from actors.lib.text import escape_json
from actors.protocol.feed import FeedPage
from actors.workdir.directory import WorkDir
from actors.workdir.history import HistoryFile

_STYLE = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


class Mirrors:
    """The mirrors of a work directory: changes are collected, and written on request.

    A state file has the latest state, and is written only if its content changed. An agent with nothing in hand has
    no ``current_task`` file.

    Args:
        workdir: The work directory.
    """

    def __init__(self, workdir: WorkDir) -> None:
        self._workdir = workdir
        self._history = HistoryFile(workdir.history)
        self._lines: list[bytes] = []
        self._states: dict[Path, Any] = {}
        self._failed: set[Path] = set()
        self._written: dict[Path, bytes | None] = {}

    def last_number(self) -> int:
        """Repair the end of the history file; return the number of its last event (0: none).

        Raises:
            OSError: It can't be read or repaired.
        """
        return self._history.last_number()

    def add(self, mirror: FeedPage) -> None:
        """Collect the changes of a page.

        Raises:
            ValueError: An agent's name isn't valid.
        """
        if self._history.is_known:
            self._lines += map(escape_json, mirror.events)
        for agent, queue in mirror.queues.items():
            self._states[self._workdir.queue_file(agent)] = queue
        for agent, task in mirror.current.items():
            self._states[self._workdir.current_task_file(agent)] = task
        if mirror.knowledge is not None:
            self._states[self._workdir.knowledge] = mirror.knowledge

    def write_history(self) -> None:
        """Write the collected lines.

        Raises:
            OSError: They could not be written. They are dropped, and no line is written until ``last_number`` was
                called.
        """
        lines, self._lines = self._lines, []
        self._history.append(lines)

    def write_states(self) -> None:
        """Write the collected states, except those that failed before (see ``retry``).

        Raises:
            OSError: The first error; all other states are written.
        """
        failure: OSError | None = None
        for path in self._states.keys() - self._failed:
            try:
                self._write_state(path, self._states[path])
            except OSError as error:
                self._failed.add(path)
                failure = failure or error
            else:
                del self._states[path]
        if failure is not None:
            raise failure

    @property
    def failed(self) -> list[str]:
        """The names of the files that could not be written."""
        return sorted(path.name for path in self._failed)

    def retry(self) -> None:
        """Try failed files again at the next ``write_states``."""
        self._failed.clear()

    def _write_state(self, path: Path, state: object) -> None:
        data = None if state is None else escape_json(orjson.dumps(state, option=_STYLE))
        digest = None if data is None else blake2b(data).digest()
        if path in self._written and self._written[path] == digest:
            return
        failpoint("workdir.state.before")
        if data is None:
            path.unlink(missing_ok=True)
        else:
            write_atomically(path, data)
        failpoint("workdir.state.after")
        self._written[path] = digest
