"""The directories above a work directory, which nobody else may change."""

import grp
import os
import pwd
import re
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from actors.lib.errors import ConfigurationError
from actors.workdir import find_workdir, prepare
from actors.workdir.ancestors import find_intruder


def directory(path: Path, mode: int) -> Path:
    path.mkdir(parents=True)
    path.chmod(mode)
    return path


@pytest.mark.parametrize("mode", [0o777, 0o757, 0o703])
@pytest.mark.parametrize("below", ["work", "mine/work", "missing/work"])
def test_a_directory_that_others_may_write_to_is_refused_wherever_it_stands(
    tmp_path: Path, mode: int, below: str
) -> None:
    theirs = directory(tmp_path / "theirs", mode)
    directory(theirs / "mine", 0o700)
    work = theirs / below
    refused = rf"{re.escape(str(work))}: {re.escape(str(theirs))} above it .*others may write.*chmod go-w"
    with pytest.raises(ConfigurationError, match=refused):
        prepare(work)
    assert not work.exists()
    # And: one that was made there before is refused too, for all commands; until the mode is mended.
    directory(work, 0o700)
    for check in (prepare, find_workdir):
        with pytest.raises(ConfigurationError, match=refused):
            check(work)
    theirs.chmod(mode & ~0o022)
    prepare(work)


@pytest.mark.parametrize("mode", [0o1777, 0o700, 0o755, 0o1770])
def test_a_sticky_or_closed_directory_is_fine(tmp_path: Path, mode: int) -> None:
    assert prepare(directory(tmp_path / "above", mode) / "work").path.is_dir()


def test_the_way_by_symlinks_is_looked_at(tmp_path: Path) -> None:
    theirs, mine = directory(tmp_path / "theirs", 0o777), directory(tmp_path / "mine", 0o700)
    (theirs / "hop").symlink_to(mine)
    (mine / "first").symlink_to(theirs / "hop")
    (mine / "up").symlink_to("../theirs/hop")
    assert find_intruder(mine / "work") is None
    for link in ("first", "up"):
        found = find_intruder(mine / link / "work")
        assert found is not None
        assert found[0].resolve() == theirs


def test_symlinks_in_a_circle_are_a_clear_message(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(ConfigurationError, match="Too many levels of symbolic links"):
        prepare(tmp_path / "a" / "work")


def test_a_directory_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lstat = Path.lstat

    def of_another(path: Path) -> object:
        found = lstat(path)
        if path != tmp_path / "theirs":
            return found
        return SimpleNamespace(st_mode=found.st_mode, st_uid=4711, st_gid=4711)

    directory(tmp_path / "theirs", 0o755)
    monkeypatch.setattr(Path, "lstat", of_another)
    assert find_intruder(tmp_path / "theirs" / "work") == (
        tmp_path / "theirs", f"it belongs to user 4711, not to you ({os.geteuid()})"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("group", "ours"),
    [
        (("me", []), True),
        (("me", ["me"]), True),
        (("me", ["me", "mallory"]), False),
        (("staff", []), False),
    ],
)
def test_a_group_of_ones_own_is_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: tuple[str, list[str]], *, ours: bool
) -> None:
    above = directory(tmp_path / "above", 0o770)
    name, members = group
    gid = above.stat().st_gid
    monkeypatch.setattr(pwd, "getpwuid", lambda _: SimpleNamespace(pw_gid=gid, pw_name="me"))
    monkeypatch.setattr(grp, "getgrgid", lambda _: SimpleNamespace(gr_name=name, gr_mem=members))
    assert (find_intruder(above / "work") is None) == ours


def test_directories_that_are_made_on_the_way_are_closed_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        workdir = prepare(tmp_path / "a" / "b" / "work")
    finally:
        os.umask(before)
    assert {stat.S_IMODE(each.stat().st_mode) for each in (workdir.path.parent, workdir.path.parents[1])} == {
        0o700
    }
