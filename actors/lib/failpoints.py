"""Points at which a test can kill the coordinator, before and after each step that must not be half done.

If ``COORDINATOR_FAILPOINT`` names a point (see ``arm``), the process kills itself there by SIGKILL. Otherwise a point
is a call that does nothing.
"""

import itertools
import os
import re
import signal
import time
from collections.abc import Callable
from typing import Literal, get_args

from actors.lib.errors import ConfigurationError

VARIABLE = "COORDINATOR_FAILPOINT"
SETTING = re.compile(r"(?P<name>[a-z.]+)(:(?P<nth>[1-9]\d*)(:(?P<seconds>\d+(\.\d+)?))?)?")

Failpoint = Literal[
    "router.schema.after",  # a new journal's tables are made, but not committed (journal/opening.py)
    "journal.migrated.before",  # a step to a newer version is made, but not committed (journal/migrations.py)
    "journal.migrated.after",  # it is committed, and others may follow
    "router.salvage.moved",  # a damaged journal is set aside, its -wal and -shm aren't (journal/salvage.py)
    "router.salvage.before",  # the new journal isn't committed (journal/opening.py)
    "router.salvage.after",  # it is committed, and nobody was told
    "router.commit.before",  # a transaction is written, but not committed
    "router.commit.after",
    "router.tell.before",  # each message that follows from a commit (router/outgoing.py)
    "router.tell.after",
    "router.answer.before",  # each answer to a report
    "router.answer.after",
    "router.ack.before",  # the backend has a publication, the journal doesn't know (router/publisher.py)
    "router.ack.after",  # it is in the transaction
    "connection.event.before",  # an event from the backend is handed to the router (connection/actor.py)
    "connection.event.after",
    "connection.publish.before",  # a publication is sent
    "connection.publish.after",
    "session.context.before",  # the file of a long context is written (session/places.py)
    "session.context.after",
    "session.spawn.before",  # the conversation is locked, claude is to be started (session/actor.py)
    "session.spawn.after",  # it runs, and has been given nothing
    "session.write.before",  # contexts are written to claude's standard input
    "session.write.partly",  # a part of one is written, the rest waits for the pipe (session/drives/stream/pipe.py)
    "session.write.after",
    "session.receipt.accepted",  # a receipt has come in, and nobody was told (session/actor.py)
    "session.receipt.started",
    "session.receipt.completed",
    "session.report.before",  # the router is told how far deliveries have come
    "session.report.after",
    "session.turn.before",  # the router is told that a turn has ended
    "session.turn.after",
    "gateway.report.before",  # an agent's report is handed to the router (gateway/)
    "gateway.report.after",
    "workdir.replace.before",  # a file's new content lies beside it (lib/files.py)
    "workdir.replace.after",
    "workdir.history.before",  # lines are appended to the event history (workdir/history.py)
    "workdir.history.after",
    "workdir.state.before",  # a state file is written or removed (workdir/mirror.py)
    "workdir.state.after",
    "workdir.result.before",  # a result file's report is handed to the router (workdir/actor.py)
    "workdir.result.after",
    "feed.commit.before",  # facts and their position are written, but not committed (feed/log.py)
    "feed.commit.after",
]

FAILPOINTS: frozenset[str] = frozenset(get_args(Failpoint))


def _pass(_name: Failpoint) -> None:
    pass


def arm(setting: str) -> Callable[[Failpoint], None]:
    """Return a function that kills this process at a point.

    Args:
        setting: ``name``, ``name:nth`` or ``name:nth:seconds``. The nth visit kills (the first, if it isn't given);
            the seconds pass before it does, while the other threads go on.

    Raises:
        ConfigurationError: The setting is malformed, or there is no such point.
    """
    found = SETTING.fullmatch(setting)
    if found is None or found["name"] not in FAILPOINTS:
        raise ConfigurationError(f"{VARIABLE}: {setting!r} is no point (name, name:nth or name:nth:seconds)")
    chosen, last, seconds = found["name"], int(found["nth"] or 1), float(found["seconds"] or 0)
    visits = itertools.count(1)

    def visit(name: Failpoint) -> None:
        if name == chosen and next(visits) == last:
            time.sleep(seconds)
            os.kill(os.getpid(), signal.SIGKILL)

    return visit


failpoint = arm(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else _pass
