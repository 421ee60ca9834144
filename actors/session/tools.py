"""The tools that an agent is using at the moment."""

from collections.abc import Iterable

from actors.protocol.feed import Activity, ToolReturned, ToolUsed


class OpenTools:
    """The uses of tools of the present turn whose results haven't come; false where there are none."""

    def __init__(self) -> None:
        self._uses: set[str] = set()

    def note(self, activities: Iterable[Activity]) -> None:
        """Note uses and results."""
        for each in activities:
            if isinstance(each, ToolUsed):
                self._uses.add(each.use_id)
            elif isinstance(each, ToolReturned):
                self._uses.discard(each.use_id)

    def clear(self) -> None:
        """Forget all, since the turn is over or the process has ended."""
        self._uses.clear()

    def __bool__(self) -> bool:
        return bool(self._uses)
