"""Directories that outlast a reboot, and those that don't."""

from pathlib import Path

import pytest

from actors.workdir.lasting import why_it_goes

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
tmpfs /ram tmpfs rw 0 0
/dev/sda2 /ram/disk ext4 rw 0 0
tmpfs /with\\040blank tmpfs rw 0 0
tmpfs /over ext4 rw 0 0
ramfs /over ramfs rw 0 0
odd
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/work", None),
        ("/ram/work", "tmpfs"),
        ("/ram", "tmpfs"),
        ("/ramfile", None),
        ("/ram/disk/work", None),
        ("/with blank/work", "tmpfs"),
        ("/over/work", "ramfs"),
    ],
)
def test_a_directory_in_memory_goes(tmp_path: Path, path: str, kind: str | None) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    found = why_it_goes(Path(path), mounts=mounts, rules=())
    assert found == (kind and f"lies in memory ({kind}), which a reboot empties")


@pytest.mark.parametrize(
    ("rule", "goes"),
    [
        ("D /ram 1777 root root -", True),
        ("D! /ram", True),
        ("q /ram 1777 root root 10d", True),
        ("e /ram - - - 10d", True),
        ("d /ram 1777 root root -", False),
        ("q /ram 1777 root root", False),
        ("D /ram/other 0755 - - -", False),
        ("x /ram/work", False),
        ("# D /ram", False),
    ],
)
def test_a_directory_that_is_cleaned_goes(tmp_path: Path, rule: str, *, goes: bool) -> None:
    (tmp_path / "tmp.conf").write_text(f"\n{rule}\n")
    found = why_it_goes(Path("/ram/work"), mounts=tmp_path / "none", rules=(tmp_path / "none", tmp_path))
    assert (found == "lies in /ram, which systemd-tmpfiles cleans") == goes


def test_the_first_of_the_rules_with_one_name_counts(tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    for folder, rule in ((mine, ""), (theirs, "D /ram")):
        folder.mkdir()
        (folder / "tmp.conf").write_text(rule)
    assert why_it_goes(Path("/ram/work"), mounts=tmp_path / "none", rules=(mine, theirs)) is None


def test_where_nothing_is_known_nothing_is_said(tmp_path: Path) -> None:
    assert why_it_goes(tmp_path, mounts=tmp_path / "none", rules=(tmp_path / "none",)) is None
