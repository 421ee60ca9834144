"""Files that are opened and written without following what was planted at their paths."""

import os
import stat
from pathlib import Path

import pytest

from actors.lib.files import ExposedFileError, UnsafeFileError, open_directory, open_ours, write_atomically


def test_writing_replaces_in_one_step(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with path.open("rb") as before:
        write_atomically(path, b"new", durable=True)
        assert before.read() == b"old"
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_symlink_at_the_target_or_beside_it_is_replaced_and_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    path = tmp_path / "file"
    path.symlink_to(victim)
    (tmp_path / ".file.tmp").symlink_to(victim)
    write_atomically(path, b"ours")
    assert victim.read_bytes() == b"precious"
    assert not path.is_symlink()
    assert path.read_bytes() == b"ours"


def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.mkdir()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(OSError, match="directory"):
        write_atomically(path, b"new")
    assert sorted(tmp_path.iterdir()) == before


def test_only_ordinary_files_of_ours_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fifo, link, directory, file = (tmp_path / name for name in ("fifo", "link", "directory", "file"))
    os.mkfifo(fifo)
    link.symlink_to(file)
    directory.mkdir()
    file.touch()
    for path, fault in (
        (fifo, "is no ordinary file"),
        (link, "is a symlink"),
        (directory, "is no ordinary file"),
    ):
        with pytest.raises(UnsafeFileError) as caught:
            open_ours(path, os.O_RDONLY)
        assert (str(caught.value), caught.value.fault) == (f"{path.name} {fault}", fault)
        assert caught.value.strerror == str(caught.value), "whoever shows only that says the same"
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(ExposedFileError, match="file belongs to somebody else"):
        open_ours(file, os.O_RDONLY)


def test_a_link_that_is_planted_after_the_look_is_not_followed_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "theirs")
    monkeypatch.setattr(Path, "is_symlink", lambda _: False)
    with pytest.raises(OSError, match="symbolic links"):
        open_ours(link, os.O_WRONLY | os.O_CREAT)
    assert not (tmp_path / "theirs").exists()


@pytest.mark.parametrize("mode", [0o640, 0o602])
def test_a_private_file_is_open_to_nobody_else(mode: int, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.touch()
    path.chmod(mode)
    os.close(open_ours(path, os.O_RDONLY))
    with pytest.raises(ExposedFileError, match="file is open to others") as caught:
        open_ours(path, os.O_RDONLY, private=True)
    assert (caught.value.mode, caught.value.uid) == (mode, os.getuid())
    path.chmod(0o600)
    os.close(open_ours(path, os.O_RDONLY, private=True))


def test_a_directory_is_opened_itself_and_never_through_a_link(tmp_path: Path) -> None:
    fd = open_directory(tmp_path)
    assert os.path.samestat(os.fstat(fd), tmp_path.stat())
    assert not os.get_inheritable(fd)
    os.close(fd)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        open_directory(tmp_path / "file")
    (tmp_path / "link").symlink_to(tmp_path)
    with pytest.raises(UnsafeFileError, match="link is a symlink"):
        open_directory(tmp_path / "link")
