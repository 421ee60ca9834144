"""Work that goes on after the end of a turn: commands in the background, and subagents."""

from actors.session.drive import BackgroundTask

MOST_NAMED = 3


class Background:
    """The background work of one process.

    When the last task has ended between turns, claude begins a turn by itself, to tell the model. Until that turn has
    begun, or clearly won't (``give_up_waking``), the work isn't over: its report is still to come.
    """

    def __init__(self) -> None:
        self._tasks: dict[str, tuple[str, str]] = {}
        self.awaits_wake = False

    def changed(self, tasks: tuple[BackgroundTask, ...], at: str, *, in_turn: bool) -> None:
        """Note all tasks that run now.

        Args:
            tasks: The tasks.
            at: The time now, for a person.
            in_turn: True while a turn runs, which is told of the end of a task itself.
        """
        had_tasks = bool(self._tasks)
        self._tasks = {
            task.id: self._tasks.get(task.id, (at, " ".join(task.description.split()))) for task in tasks
        }
        self.awaits_wake = had_tasks and not tasks and not in_turn

    def turn_began(self) -> None:
        """Note that a turn has begun."""
        self.awaits_wake = False

    def give_up_waking(self) -> None:
        """Note that no turn has begun in time: the task was stopped, for one."""
        self.awaits_wake = False

    @property
    def is_over(self) -> bool:
        """True when nothing runs, and no turn is about to begin because of what ran."""
        return not self._tasks and not self.awaits_wake

    @property
    def words(self) -> str:
        """A description for a person, such as ``in the background since 12:00:01: npm test``; empty if nothing runs."""
        if not self._tasks:
            return ""
        named = [f"since {since}: {what}" for since, what in list(self._tasks.values())[:MOST_NAMED]]
        more = f"; and {len(self._tasks) - MOST_NAMED} more" if len(self._tasks) > MOST_NAMED else ""
        return f"runs in the background {'; '.join(named)}{more}"
