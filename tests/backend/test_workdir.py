"""Tests of the work directory and its token."""

import fcntl
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from backend.errors import AlreadyRunningError, WorkDirError
from backend.workdir import TOKEN_FILE, URL_FILE, WorkDir, read_token, read_url


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    old = os.umask(0)  # nothing may depend on the caller's mask
    yield tmp_path / "work"
    os.umask(old)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_token_is_made_once_and_is_ours_alone(path: Path) -> None:
    with closing(WorkDir(path)) as work_dir:
        token = work_dir.hold()
    assert len(token) >= 40
    assert (mode(path), mode(path / TOKEN_FILE)) == (0o700, 0o600)
    assert read_token(path) == token
    with closing(WorkDir(path)) as work_dir:
        assert work_dir.hold() == token


def test_one_backend_at_a_time(path: Path) -> None:
    with closing(WorkDir(path)) as first, closing(WorkDir(path)) as second:
        first.hold()
        with pytest.raises(AlreadyRunningError, match="another backend is running in"):
            second.hold()


def test_a_token_that_was_never_written_is_made(path: Path) -> None:
    path.mkdir(mode=0o700)
    (path / TOKEN_FILE).touch(mode=0o600)
    with closing(WorkDir(path)) as work_dir:
        assert work_dir.hold() == read_token(path)


@pytest.mark.parametrize("loose", [0o750, 0o701, 0o720])
def test_a_directory_that_is_open_to_others_is_refused(path: Path, loose: int) -> None:
    path.mkdir()
    path.chmod(loose)
    with pytest.raises(WorkDirError, match="is open to others"):
        WorkDir(path)


@pytest.mark.parametrize(("mode", "safe"), [(0o777, False), (0o1777, True), (0o755, True)])
def test_a_directory_above_that_others_may_write_to_is_refused(
    tmp_path: Path, mode: int, *, safe: bool
) -> None:
    above = tmp_path / "above"
    above.mkdir()
    above.chmod(mode)
    if safe:
        WorkDir(above / "below" / "work").close()
        return
    with pytest.raises(
        WorkDirError, match=f"others may change {above}; choose another, or: chmod o-w {above}"
    ):
        WorkDir(above / "below" / "work")
    assert list(above.iterdir()) == []


def test_a_directory_of_somebody_else_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.mkdir(mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(WorkDirError, match="belongs to another user"):
        WorkDir(path)


def test_a_link_and_a_file_are_no_directory(path: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    path.symlink_to(tmp_path / "real")
    with pytest.raises(WorkDirError, match="is not a directory"):
        WorkDir(path)
    (tmp_path / "file").touch()
    with pytest.raises(WorkDirError, match="can't be used"):
        WorkDir(tmp_path / "file")


def _link(token: Path) -> None:
    elsewhere = token.parent / "elsewhere"
    elsewhere.touch(mode=0o600)
    elsewhere.write_text("x" * 43)
    token.symlink_to("elsewhere")


def _pipe(token: Path) -> None:
    os.mkfifo(token, 0o600)


def _rubbish(token: Path) -> None:
    token.touch(mode=0o600)
    token.write_bytes(b"\xff\x00 two words")


@pytest.mark.parametrize("spoil", [_link, _pipe, _rubbish])
def test_a_token_that_can_not_be_trusted_is_refused(path: Path, spoil: Callable[[Path], None]) -> None:
    path.mkdir(mode=0o700)
    spoil(path / TOKEN_FILE)
    with closing(WorkDir(path)) as work_dir, pytest.raises(WorkDirError):
        work_dir.hold()
    with pytest.raises(WorkDirError):
        read_token(path)


@pytest.mark.parametrize("loose", [0o644, 0o620, 0o601])
def test_a_token_that_others_could_read_or_write_is_replaced(path: Path, loose: int) -> None:
    # Given a token that others may know, or have chosen, and somebody who has its file open
    path.mkdir(mode=0o700)
    token = path / TOKEN_FILE
    token.write_text("x" * 43)
    token.chmod(loose)
    with token.open() as reader, closing(WorkDir(path)) as work_dir:
        # Then it is told to nobody
        with pytest.raises(WorkDirError):
            read_token(path)
        # And the next backend has another one, which they don't see
        new = work_dir.hold()
        assert new != "x" * 43
        assert (mode(token), read_token(path)) == (0o600, new)
        assert new not in reader.read()
        assert read_url(path) is None  # none was published
        work_dir.publish("http://here")
        assert read_url(path) == "http://here"


def test_no_token_is_told_with_the_question(path: Path) -> None:
    with pytest.raises(WorkDirError, match="does a backend run in"):
        read_token(path)


def test_an_address_is_believed_while_its_backend_runs(path: Path) -> None:
    with closing(WorkDir(path)) as work_dir:
        work_dir.hold()
        assert read_url(path) is None
        work_dir.publish("http://127.0.0.1:1")
        assert read_url(path) == "http://127.0.0.1:1"
    assert read_url(path) is None
    # Given: the address of one that was killed.
    (path / URL_FILE).touch(mode=0o600)
    (path / URL_FILE).write_text("http://127.0.0.1:1")
    assert read_url(path) is None
    # When: the next one runs, then it is not believed before that has said where it is.
    with closing(WorkDir(path)) as work_dir:
        work_dir.hold()
        assert read_url(path) is None


def test_one_that_is_refused_leaves_the_address_of_the_one_that_runs(path: Path) -> None:
    with closing(WorkDir(path)) as first:
        first.hold()
        first.publish("http://127.0.0.1:1")
        with closing(WorkDir(path)) as second, pytest.raises(AlreadyRunningError):
            second.hold()
        assert read_url(path) == "http://127.0.0.1:1"


def test_a_look_keeps_no_backend_out(path: Path) -> None:
    with closing(WorkDir(path)) as work_dir:
        work_dir.hold()
    # Given: somebody who is just looking.
    fd = os.open(path / TOKEN_FILE, os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_SH)
    with closing(WorkDir(path)) as work_dir:
        looking = threading.Timer(0.02, os.close, (fd,))
        looking.start()
        work_dir.hold()
        looking.join()
