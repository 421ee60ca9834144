"""The place where the answer to one ask arrives."""

from __future__ import annotations

from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from supervisors.errors import AskTimeout

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["PendingAnswer"]


class PendingAnswer:
    """The answer to one ask. The first answer counts; later ones are dropped.

    It has the two setters of pykka's future, at a fraction of the cost.

    Attributes:
        withdrawn: True once the asker has given up; the message is then never handled.
    """

    __slots__ = ("_arrived", "withdrawn")

    def __init__(self) -> None:
        self._arrived: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()
        self.withdrawn = False

    def set(self, value: object = None) -> None:
        """Give the answer."""
        self._arrived.put((value, None))

    def set_exception(
        self, exc_info: tuple[type[BaseException], BaseException, TracebackType | None]
    ) -> None:
        """Answer with an error, which is raised where the asker waits."""
        self._arrived.put((None, exc_info[1]))

    def get(self, name: str, timeout: float) -> Any:  # noqa: ANN401  # answers are the actor's own
        """Wait for the answer.

        Args:
            name: The name of the actor that was asked, for the error.
            timeout: Seconds to wait.

        Raises:
            AskTimeout: No answer came; the message is withdrawn.
            Exception: The error that was given as the answer.
        """
        try:
            value, error = self._arrived.get(timeout=max(0.0, timeout))
        except Empty:
            self.withdrawn = True
            raise AskTimeout(name, timeout) from None
        if error is not None:
            raise error
        return value
