"""The coordinator as it is, with one door more: each line on its standard input names an actor that is to fail.

The product itself has no such door. This program is ``python -m actors.main`` but for that thread; and it ends when
its standard input does, so that nothing runs on when whoever drills it is gone.
"""

import os
import signal
import sys
import threading
from contextlib import suppress

import actors.app.coordinator
from actors.main import main
from supervisors import NotRunning
from supervisors.drill import crash


class DrillError(RuntimeError):
    """What an actor dies of that was asked to fail."""


class DrilledCoordinator(actors.app.coordinator.Coordinator):
    """A coordinator whose actors can be made to fail."""

    def start(self) -> None:
        """Start as ever, then listen."""
        super().start()
        threading.Thread(target=self._listen, name="drills", daemon=True).start()

    def _listen(self) -> None:
        for line in sys.stdin:
            with suppress(NotRunning):  # it is between two lives already
                crash(self.system, line.strip(), DrillError("a fault drill"))
        os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    actors.app.coordinator.Coordinator = DrilledCoordinator  # type: ignore[misc]  # the command line makes this one
    main()
