"""Access to the journal for the read-only commands."""

from actors.journal.reader import JournalReader, NoJournal
from actors.workdir import WorkDir, find_holder


def open_journal(workdir: WorkDir) -> JournalReader:
    """Open the work directory's journal.

    Raises:
        ConfigurationError: There is none, or it can't be read; the message has the reason.
    """
    try:
        return JournalReader(workdir.journal)
    except NoJournal:
        raise NoJournal(_absence(workdir)) from None


def _absence(workdir: WorkDir) -> str:
    """Return the message for a missing journal."""
    if workdir.history.exists():
        return (
            f"The journal of {workdir.path} is gone, although a coordinator has run there; the next start begins a"
            " new one, and asks the backend for what is missing."
        )
    if running := find_holder(workdir.lock_file):
        return (
            f"There is no journal in {workdir.path}, although a coordinator runs there (pid {running.pid}): it has"
            " only just begun, or the journal was removed."
        )
    return f"There is no journal in {workdir.path}: no coordinator has run there yet."
