"""The work directory, which is refused unless it is private."""

import os
import re
import stat
from pathlib import Path

import pytest

from actors.lib.errors import ConfigurationError
from actors.workdir import WorkDir, find_workdir, prepare
from actors.workdir.results import ResultFile, read_result


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_it_is_made_for_us_alone_with_its_parents(tmp_path: Path) -> None:
    workdir = prepare(tmp_path / "a" / "b" / "work")
    assert workdir.path == tmp_path / "a" / "b" / "work"
    assert _mode(workdir.path) == 0o700
    for directory in (workdir.context, workdir.prompts, workdir.sessions):
        assert _mode(directory) == 0o700
    assert prepare(workdir.path) == workdir


def test_looking_makes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no coordinator has run there yet"):
        find_workdir(tmp_path / "typo")
    assert list(tmp_path.iterdir()) == []
    # And: what is there is looked at as it is, if it is ours alone.
    (tmp_path / "work").mkdir(mode=0o700)
    assert find_workdir(tmp_path / "work") == WorkDir(tmp_path / "work")
    assert list((tmp_path / "work").iterdir()) == []
    (tmp_path / "work").chmod(0o755)
    with pytest.raises(ConfigurationError, match="open to others"):
        find_workdir(tmp_path / "work")


def test_where_everything_lies(workdir: WorkDir) -> None:
    names = {
        workdir.journal: "journal.db",
        workdir.history: "event_history.json",
        workdir.knowledge: "shared_knowledge.json",
        workdir.queue_file("coding-agent"): "coding-agent_queue.json",
        workdir.current_task_file("coding-agent"): "current_task_coding-agent.json",
        workdir.pipe("coding-agent"): "agent_session_coding-agent.pipe",
        workdir.result_file("a:1@x"): "task_result_a:1@x.json",
        workdir.result_file("a:1@x", "coder"): "results/coder/task_result_a:1@x.json",
        workdir.result_files("coder"): "results/coder/task_result_*.json",
    }
    for path, name in names.items():
        assert path == workdir.path / name


@pytest.mark.parametrize(
    "name", ["../escaped", "/etc/passwd", "", ".hidden", "a/b", "a\n", "a\x00b", "x" * 65]
)
def test_a_name_that_could_lead_elsewhere_has_no_path(workdir: WorkDir, name: str) -> None:
    for path in (workdir.queue_file, workdir.current_task_file, workdir.pipe, workdir.result_files):
        with pytest.raises(ValueError, match="no valid agent name"):
            path(name)


@pytest.mark.parametrize("node_id", ["", "a\n", "a\x00b", "x" * 201])
def test_what_is_no_id_has_no_result_file(workdir: WorkDir, node_id: str) -> None:
    with pytest.raises(ValueError, match="no valid id"):
        workdir.result_file(node_id)


@pytest.mark.parametrize(
    "node_id", ["../escaped", "/etc/passwd", "..", ".hidden", "proj/12", "#12", "step 1", "ä" * 100]
)
def test_a_result_file_stays_in_its_place_whatever_the_id(workdir: WorkDir, node_id: str) -> None:
    path = workdir.result_file(node_id)
    assert path.parent == workdir.path
    assert path.match("task_result_*.json")
    path.write_text('{"status": "success"}')
    found = read_result(path)
    assert isinstance(found, ResultFile)
    assert found.subtask_id == node_id


def test_a_symlink_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (tmp_path / "work").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="it is a symlink"):
        prepare(tmp_path / "work")
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_dangling_symlink_is_refused(tmp_path: Path) -> None:
    (tmp_path / "work").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError, match="it is a symlink"):
        prepare(tmp_path / "work")
    assert not (tmp_path / "nowhere").exists()


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "work").touch()
    with pytest.raises(ConfigurationError, match="it is not a directory"):
        prepare(tmp_path / "work")
    with pytest.raises(ConfigurationError, match="can't be used"):
        prepare(tmp_path / "work" / "below")


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o770, 0o777, 0o701])
def test_one_that_is_open_to_others_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "work"
    path.mkdir()
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match=f"mode {mode:04o}.*chmod 700 {re.escape(str(path))}"):
        prepare(path)
    assert _mode(path) == mode
    assert list(path.iterdir()) == []


def test_one_that_we_may_not_use_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "work"
    path.mkdir(mode=0o500)
    with pytest.raises(ConfigurationError, match="you may not use it yourself"):
        prepare(path)


def test_one_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = prepare(tmp_path / "work").path
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(ConfigurationError, match=r"it belongs to user \d+, not to you \(12345\)"):
        prepare(path)


@pytest.mark.parametrize("name", ["context", "prompts", "sessions"])
def test_a_planted_directory_below_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "work").mkdir(mode=0o700)
    (tmp_path / "work" / name).symlink_to(tmp_path)
    with pytest.raises(ConfigurationError, match="it is a symlink"):
        prepare(tmp_path / "work")
