"""The database's file, of which nothing is changed unless it is ours."""

import os
import sqlite3
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.errors import DatabaseError
from backend.storage import open_database


def foreign_database(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE cookies (value TEXT)")
    database.close()


def linked_text(path: Path) -> None:
    path.with_name("other").write_text("of somebody else")
    path.with_name("other").chmod(0o644)
    os.link(path.with_name("other"), path)


FOREIGN: dict[str, tuple[Callable[[Path], object], str]] = {
    "a text": (lambda path: path.write_text("of somebody else"), "file is not a database"),
    "a database": (foreign_database, "another program's database"),
    "a FIFO": (os.mkfifo, "no ordinary file"),
    "a device": (lambda path: os.mknod(path, stat.S_IFCHR | 0o644, os.makedev(1, 3)), "no ordinary file"),
    "a directory": (lambda path: path.mkdir(), "Is a directory"),
    "a hard link": (linked_text, "hard link"),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_what_is_no_database_of_ours_stays_as_it_is(tmp_path: Path, what: str) -> None:
    make, said = FOREIGN[what]
    path = tmp_path / "found"
    try:
        make(path)
    except OSError as error:
        pytest.skip(f"it can't be made here: {error}")
    path.chmod(0o644)
    before = path.stat()
    with pytest.raises(DatabaseError, match=said):
        open_database(f"sqlite:///{path}")
    after = path.stat()
    assert (after.st_mode, after.st_size, after.st_mtime_ns) == (
        before.st_mode,
        before.st_size,
        before.st_mtime_ns,
    )


def test_a_symlink_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target").touch(0o644)
    for target in ("target", "missing"):
        link = tmp_path / f"link-to-{target}"
        link.symlink_to(target)
        with pytest.raises(DatabaseError, match="it is a symlink"):
            open_database(f"sqlite:///{link}")
    assert stat.S_IMODE((tmp_path / "target").stat().st_mode) == 0o644
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("before", ["missing", "empty", "ours", "half made"])
def test_what_is_ours_is_made_private(tmp_path: Path, before: str) -> None:
    path = tmp_path / "back end.db"
    if before == "empty":
        path.touch()
    elif before == "ours":
        open_database(f"sqlite:///{path}").dispose()
    elif before == "half made":
        database = sqlite3.connect(path)
        database.execute("PRAGMA journal_mode=WAL")
        database.execute(
            "CREATE TABLE meta (name VARCHAR NOT NULL, value VARCHAR NOT NULL, PRIMARY KEY (name))"
        )
        database.close()
    if path.exists():
        path.chmod(0o644)
    open_database(f"sqlite:///{path}").dispose()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
