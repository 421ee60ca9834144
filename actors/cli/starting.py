"""The start of an agent's session, followed until it is known what became of it."""

import time

from actors.cli.client import operate
from actors.cli.journal import open_journal
from actors.cli.render import console
from actors.journal.reader import NoJournal, Row
from actors.lib.errors import CoordinatorError
from actors.lib.program import command
from actors.lib.text import clean
from actors.protocol.sessions import SessionState
from actors.workdir import WorkDir

_SECONDS, _LOOK_SECONDS = 15.0, 0.1
"""How long a start is followed, and the time between looks into the journal."""
_UP_SECONDS = 1.0
"""Seconds that a session must be up before it counts as started: a claude that can't run ends at once."""
_UP = (SessionState.READY, SessionState.WORKING, SessionState.RATE_LIMITED)
_DOWN = (SessionState.BLOCKED, SessionState.CRASHED)


def start_session(workdir: WorkDir, agent: str) -> None:
    """Start an agent's session, or have it try again, and print what became of it.

    Raises:
        CoordinatorError: It could not be started; the text says why.
    """
    before = _row(workdir, agent)
    console.print(operate(workdir, f"/api/agents/{agent}/start", {}))
    row = _outcome(workdir, agent, before)
    state = row["state"].replace("_", " ") if row else "not known yet"
    if row is not None and row["state"] in _DOWN:
        raise CoordinatorError(f"{agent} is {state}: {clean(row['detail'])}")
    advice = "" if row and row["state"] in _UP else f" ({command('status')})"
    console.print(f"{agent} is {state}{advice}.", highlight=False)


def _outcome(workdir: WorkDir, agent: str, before: Row | None) -> Row | None:
    """Return the agent's row once its session is up, or down again; or as it is when the time is over."""
    row, up_since = before, None
    end = time.monotonic() + _SECONDS
    while (now := time.monotonic()) < end:
        row = _row(workdir, agent)
        is_new = row is not None and (before is None or row["since"] != before["since"])
        if row is not None and row["state"] in _DOWN and is_new:
            return row
        is_up = row is not None and row["state"] in _UP
        up_since = (up_since or now) if is_up else None
        if up_since is not None and now - up_since >= _UP_SECONDS:
            return row
        time.sleep(_LOOK_SECONDS)
    return row


def _row(workdir: WorkDir, agent: str) -> Row | None:
    try:
        reader = open_journal(workdir)
    except NoJournal:
        return None  # it has only just begun
    try:
        return next((row for row in reader.agents() if row["agent"] == agent), None)
    finally:
        reader.close()
