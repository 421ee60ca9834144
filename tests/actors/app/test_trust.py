"""Files in the agents' own folder don't decide what they may do."""

import sys
from pathlib import Path
from typing import Any

import pytest

from actors.app import start_checks
from actors.app.settings import RAISES_RIGHTS, Settings, load, load_defaults, misspelled
from actors.app.start_checks import check_start
from actors.app.trust import MOST_FOLDERS, check_work_dir, find_exposed, remember, worked_in
from actors.lib.errors import ConfigurationError

VALUES = {
    "CLAUDE_COMMAND": "evil",
    "PERMISSION_MODE": "bypassPermissions",
    "PROJECT_DIR": "/",
    "WORK_DIR": "/srv/theirs",
    "WS_URL": "ws://evil.example",
    "WS_TOKEN": "theirs",
    "EMBEDDED_DATABASE_URL": "sqlite:////srv/theirs.db",
}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the project's folder, in which the program is started."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def refusal(**options: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(**options)
    return str(caught.value)


def test_each_setting_that_is_more_than_a_number_or_a_switch_raises_rights() -> None:
    harmless = {
        name for name, field in Settings.model_fields.items() if field.annotation in (int, float, bool)
    }
    assert Settings.model_fields.keys() - harmless - {"log_level", "log_format"} == RAISES_RIGHTS
    assert {name.lower() for name in VALUES} == RAISES_RIGHTS


@pytest.mark.parametrize("name", sorted(VALUES.keys() - {"PROJECT_DIR"}))
def test_a_file_named_env_in_the_project_raises_no_rights(
    project: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (project / ".env").write_text(f"{name.lower()}={VALUES[name]}\nLOG_LEVEL=debug\n")
    said = refusal(project_dir=project)
    assert f"{project}/.env can't set {name}: agents that work in {project} may write that file" in said
    assert "environment variables" in said
    assert "theirs" not in said
    # But: where something nearer decides, the file sets nothing, and the rest of it counts.
    monkeypatch.setenv(name, VALUES[name])
    assert load(project_dir=project).log_level == "debug"


@pytest.mark.parametrize("where", ["below", "linked out", "linked in"])
def test_the_project_is_recognised_under_any_name(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    started = {"below": project / "below", "linked out": project, "linked in": tmp_path / "elsewhere"}[where]
    started.mkdir(exist_ok=True)
    (tmp_path / "other").mkdir()
    file = {"linked out": tmp_path / "other", "linked in": project}.get(where, started) / ".env"
    file.write_text("CLAUDE_COMMAND=evil\n")
    if file.parent != started:
        (started / ".env").symlink_to(file)
    (tmp_path / "alias").symlink_to(project)
    monkeypatch.chdir(started)
    assert "can't set CLAUDE_COMMAND" in refusal(project_dir=tmp_path / "alias")


def test_a_file_named_env_outside_of_the_project_may_set_everything(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"PROJECT_DIR={project}\nCLAUDE_COMMAND=mine\nWORK_DIR={tmp_path}/work\n")
    assert load().claude_command == ("mine",)


def test_a_file_named_env_where_agents_have_worked_leads_nowhere_else(project: Path, tmp_path: Path) -> None:
    remember(project)
    (project / ".env").write_text(f"PROJECT_DIR={tmp_path}/state\nCLAUDE_COMMAND=evil\n")
    assert "can't set CLAUDE_COMMAND, PROJECT_DIR" in refusal()


def test_commands_that_start_no_agents_take_the_work_directory_from_there(project: Path) -> None:
    (project / ".env").write_text("WORK_DIR=/srv/mine\n")
    assert load(starts_agents=False).work_dir == Path("/srv/mine")


def test_the_latest_folders_are_remembered_once_each(tmp_path: Path) -> None:
    for name in ("a", "b", "a", "with\nnewline"):
        remember(tmp_path / name)
    assert worked_in() == [tmp_path / "a", tmp_path / "b"]
    record = tmp_path / "state" / "agent-coordinator" / "project_dirs"
    assert (record.stat().st_mode & 0o777, record.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    record.write_text("\n".join(f"/{number}" for number in range(MOST_FOLDERS)))
    remember(tmp_path / "last")
    assert (len(worked_in()), worked_in()[-1]) == (MOST_FOLDERS, tmp_path / "last")


def test_a_user_without_a_home_may_start_too(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setattr(Path, "expanduser", homeless)
    assert worked_in() == []
    with pytest.raises(OSError, match="home directory"):
        remember(project)


@pytest.mark.parametrize("inside", ["", "work", "a/b/work"])
def test_a_work_directory_in_the_project_is_refused(project: Path, inside: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"lies in PROJECT_DIR .* Set WORK_DIR to a directory outside"
    ):
        check_work_dir(project / inside, project)


def test_a_work_directory_beside_the_project_is_fine(project: Path, tmp_path: Path) -> None:
    check_work_dir(tmp_path / "project-of-mine", project)
    check_work_dir(tmp_path, project)


def test_programs_that_agents_may_change_are_named(project: Path, tmp_path: Path) -> None:
    def found(root: Path, claude: Path) -> list[str]:
        return [each.event for each in find_exposed(project, root, claude)]

    away = tmp_path / "away"
    assert found(away, away) == []
    assert found(project / ".venv/lib/site-packages", away) == ["project_holds_coordinator"]
    assert found(project.parent, away) == ["project_holds_coordinator"]
    assert found(away, project / "node_modules/.bin/claude") == ["project_holds_claude"]


@pytest.mark.parametrize(
    ("line", "meant"),
    [("WORK_DRI=/x", "WORK_DIR"), ("ws_ulr=ws://x", "WS_URL"), ("PROJECTDIR=/x", "PROJECT_DIR"),
     ("CLAUDE-COMMAND=x", "CLAUDE_COMMAND"), ("SILENCE_SECOND=3", "SILENCE_SECONDS")],
)  # fmt: skip
def test_a_misspelled_key_is_named_with_the_near_miss(project: Path, line: str, meant: str) -> None:
    (project / ".env").write_text(f"{line}\nAPI_KEY=of another program\nLOG_LEVEL=debug\n")
    (remark,) = misspelled()
    assert f"{project}/.env: {line.partition('=')[0].upper()} is no setting" in remark.reason
    assert meant in remark.next


def test_a_start_logs_what_a_person_should_change_and_remembers_where_agents_work(
    project: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".env").write_text("WORK_DRI=/x\n")
    claude = project / "claude"
    claude.symlink_to(sys.executable)
    monkeypatch.setattr(start_checks, "why_it_goes", lambda _: "is of snow")
    settings = load_defaults(work_dir=tmp_path / "work", project_dir=project, claude_command=(str(claude),))
    check_start(settings)
    said = [record.getMessage() for record in caplog.records]
    for event in ("setting_unknown", "project_holds_claude", "work_dir_is_temporary"):
        assert sum(event in each for each in said) == 1, said
    assert worked_in() == [project]
    with pytest.raises(ConfigurationError, match="lies in PROJECT_DIR"):
        check_start(settings.model_copy(update={"work_dir": project / "work"}))
    # And a place where nothing can be remembered keeps nobody from starting
    (tmp_path / "state").rename(tmp_path / "gone")
    (tmp_path / "state").touch()
    check_start(settings)
