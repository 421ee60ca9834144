"""The coordinator with fault injection: each line on its standard input names an actor that must fail.

The product itself has no fault injection. Apart from that thread, this program is the command ``run``, with its
settings from the environment. It ends when its standard input does, so that it doesn't outlive its parent.
"""

import os
import signal
import sys
import threading
from contextlib import suppress

from actors.app.coordinator import Coordinator
from actors.app.logs import set_up_logging
from actors.app.serve import serve
from actors.app.settings import find_claude, load
from actors.lib.errors import ConfigurationError
from supervisors import NotRunning
from supervisors.drill import crash
from tools.chaos.keeper import STAYS_DOWN


class DrillError(RuntimeError):
    """The injected failure of an actor."""


def drill(coordinator: Coordinator) -> None:
    """Crash the actors that standard input names, until it ends."""
    for line in sys.stdin:
        with suppress(NotRunning):  # it is being restarted already
            crash(coordinator.system, line.strip(), DrillError("a fault drill"))
    os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    """Run the coordinator until it is stopped, and return the command's exit code."""
    try:
        settings = load()
        set_up_logging(settings.log_level, form=settings.log_format)
        find_claude(settings)
        coordinator = Coordinator(settings)
        threading.Thread(target=drill, args=(coordinator,), name="drills", daemon=True).start()
        return serve(coordinator)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return STAYS_DOWN


if __name__ == "__main__":
    sys.exit(main())
