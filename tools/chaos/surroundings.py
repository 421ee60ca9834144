"""What the coordinator and its agents rely on, and how it is taken away from them for a while."""

import json
import math
import random
import resource
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path

import psutil

from tools.chaos.keeper import Keeper
from tools.chaos.kinds import DESCRIPTORS, HOOKS, LASTING, NEEDED_TO_START, PROGRAM

HOOK = "a hook of the chaos says no"
"""The words of the hook that refuses."""
SPARE = 12
"""The most descriptors that are left, or wanting, while they are short."""
GiveBack = Callable[[], None]


class Surroundings:
    """The program of the agents, their folder, their hooks and transcripts, and the coordinator's descriptors.

    Args:
        coordinator: The coordinator.
        program: The file of the agents' program.
        project: The agents' folder, a symbolic link.
        hook: The file whose presence has the hooks refuse; see the stand-in's fault ``refuse_as_told``.
        home: The directory below which the transcripts are.
        cleaned: The directory in which removed transcripts are kept as evidence.
    """

    def __init__(
        self, coordinator: Keeper, *, program: Path, project: Path, hook: Path, home: Path, cleaned: Path
    ) -> None:
        self._coordinator = coordinator
        self._program, self._project, self._hook = program, project, hook
        self._home, self._cleaned = home, cleaned
        # What is away at present, at most one thing, and until when on the monotonic clock.
        self._away: tuple[float, str, GiveBack] | None = None
        self._lock = threading.RLock()
        coordinator.before_start = lambda: self.give_back(math.inf, NEEDED_TO_START)

    def take_away(self, kind: str, rng: random.Random, until: float) -> bool:
        """Take something away, and give back what was taken before.

        Args:
            kind: One of ``LASTING``.
            rng: The random generator.
            until: The time at which it is due to be given back, on the monotonic clock.

        Returns:
            False if it can't be taken away now.
        """
        with self._lock:
            self.give_back(math.inf)
            taken = self._take(kind, rng)
            if taken is not None:
                self._away = until, kind, taken
            return taken is not None

    def give_back(self, now: float, kinds: Collection[str] = LASTING) -> None:
        """Give back what is due, if it is one of these kinds."""
        with self._lock:
            if self._away is not None and self._away[0] <= now and self._away[1] in kinds:
                *_, give_back = self._away
                self._away = None
                give_back()

    def _take(self, kind: str, rng: random.Random) -> GiveBack | None:
        if kind == HOOKS:
            return self._refuse(rng)
        if kind == DESCRIPTORS:
            return self._shorten_descriptors(rng)
        return self._hide(self._program if kind == PROGRAM else self._project)

    def _refuse(self, rng: random.Random) -> GiveBack:
        """Have the hooks refuse each message, which then stays in the history or doesn't."""
        told = self._hook.with_suffix(".new")
        told.write_text(json.dumps({"reason": HOOK, "kept": rng.random() < 0.5}))  # noqa: PLR2004 - as often as not
        told.rename(self._hook)
        return self._hook.unlink

    def _hide(self, path: Path) -> GiveBack | None:
        """Remove the program, or the folder as an unmounted disk is: those who are in it stay there."""
        if not self._coordinator.is_ready:
            return None  # a start without them is refused for good
        hidden = path.with_name(f"{path.name}.gone")
        path.rename(hidden)
        return lambda: (hidden.rename(path), None)[1]

    def _shorten_descriptors(self, rng: random.Random) -> GiveBack | None:
        """Leave the coordinator few descriptors, none, or fewer than it has open already."""
        pid = self._coordinator.pid
        if pid is None or not self._coordinator.is_ready:
            return None
        with suppress(psutil.Error):
            process = psutil.Process(pid)
            soft, hard = process.rlimit(resource.RLIMIT_NOFILE)
            short = process.num_fds() + rng.randint(-SPARE, SPARE)
            process.rlimit(resource.RLIMIT_NOFILE, (short, hard))
            return lambda: _restore(process, (soft, hard))
        return None

    def clean(self, session_id: str) -> bool:
        """Remove the transcript of a conversation, and keep it; return False if there is none."""
        found = next(self._home.glob(f"**/projects/*/{session_id}.jsonl"), None)
        if found is None:
            return False
        place = self._cleaned / session_id
        place.mkdir(parents=True, exist_ok=True)
        found.rename(place / f"{time.time_ns()}.jsonl")  # what is being written goes with it
        return True


def _restore(process: psutil.Process, limits: tuple[int, int]) -> None:
    with suppress(psutil.Error):  # it has ended, and the next one has limits of its own
        process.rlimit(resource.RLIMIT_NOFILE, limits)
