"""The files that people and agents read, kept in step with the journal; never read back as truth."""

from hashlib import blake2b
from pathlib import Path
from typing import Any

import orjson

from actors.lib.failpoints import failpoint
from actors.lib.files import write_atomically
from actors.protocol.feed import FeedPage
from actors.workdir.directory import WorkDir
from actors.workdir.history import HistoryFile

_STYLE = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE


class Mirrors:
    """Collects what changed, and writes it when told to.

    A file that shows a state holds the newest one; it is written only if its content changed. An agent that
    has nothing in hand has no ``current_task`` file.

    Args:
        workdir: Where the files lie.
    """

    def __init__(self, workdir: WorkDir) -> None:
        self._workdir = workdir
        self._history = HistoryFile(workdir.history)
        self._lines: list[bytes] = []
        self._states: dict[Path, Any] = {}
        self._held: set[Path] = set()
        self._written: dict[Path, bytes | None] = {}

    def last_number(self) -> int:
        """The number that the history file ends with (0: none); mends its end.

        Raises:
            OSError: It can't be read or mended.
        """
        return self._history.last_number()

    def add(self, mirror: FeedPage) -> None:
        """Take note of what changed.

        Raises:
            ValueError: An agent has a name that can't be one.
        """
        if self._history.is_known:
            self._lines += mirror.events
        for agent, queue in mirror.queues.items():
            self._states[self._workdir.queue_file(agent)] = queue
        for agent, task in mirror.current.items():
            self._states[self._workdir.current_task_file(agent)] = task
        if mirror.knowledge is not None:
            self._states[self._workdir.knowledge] = mirror.knowledge

    def write_history(self) -> None:
        """Write the lines that were noted.

        Raises:
            OSError: They could not be written. They are forgotten, and none is written until ``last_number`` was
                called.
        """
        lines, self._lines = self._lines, []
        self._history.append(lines)

    def write_states(self) -> None:
        """Write the states that were noted, but for those that failed already (``retry``).

        Raises:
            OSError: Why the first of those failed that could not be written; the others are written.
        """
        failure: OSError | None = None
        for path in self._states.keys() - self._held:
            try:
                self._show(path, self._states[path])
            except OSError as error:
                self._held.add(path)
                failure = failure or error
            else:
                del self._states[path]
        if failure is not None:
            raise failure

    @property
    def held(self) -> list[str]:
        """The names of the files that could not be written."""
        return sorted(path.name for path in self._held)

    def retry(self) -> None:
        """Have what failed be tried again."""
        self._held.clear()

    def _show(self, path: Path, state: object) -> None:
        data = None if state is None else orjson.dumps(state, option=_STYLE)
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
