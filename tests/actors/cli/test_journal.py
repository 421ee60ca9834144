"""The messages of the commands where there is no journal."""

from pathlib import Path

import pytest

from actors.cli.journal import open_journal
from actors.journal.journal import Journal
from actors.lib.errors import ConfigurationError
from actors.workdir import WorkDir, prepare


@pytest.fixture
def workdir(tmp_path: Path) -> WorkDir:
    return prepare(tmp_path / "work")


def complaint(workdir: WorkDir) -> str:
    with pytest.raises(ConfigurationError) as caught:
        open_journal(workdir)
    return str(caught.value)


def test_where_no_coordinator_has_run_there_is_no_journal(workdir: WorkDir) -> None:
    assert complaint(workdir) == f"There is no journal in {workdir.path}: no coordinator has run there yet."


def test_where_one_has_run_the_journal_is_gone(workdir: WorkDir) -> None:
    workdir.history.write_text("{}\n")
    assert "is gone, although a coordinator has run there" in complaint(workdir)


def test_where_one_runs_that_is_said(workdir: WorkDir) -> None:
    lock = workdir.lock()
    try:
        lock.publish("http://x")
        assert "although a coordinator runs there (pid" in complaint(workdir)
    finally:
        lock.release()


def test_where_there_is_one_it_is_opened(workdir: WorkDir) -> None:
    Journal(workdir.journal).close()
    reader = open_journal(workdir)
    assert reader.backend() == "unknown"
    reader.close()
