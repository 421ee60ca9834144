"""Tests of claude's command line and the files that it names."""

import itertools
import json
import stat
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from actors.agents.prompt import AgentPrompt, NoPrompt
from actors.lib.files import write_atomically
from actors.session import SessionSettings
from actors.session.drives.stream.command import PAST_US, STREAM, command_line

SESSION = "11111111-2222-3333-4444-555555555555"


def settings(directory: Path, prompt: AgentPrompt) -> SessionSettings:
    return SessionSettings(
        command=("/opt/claude", "--first"),
        directory=directory,
        environment={},
        files=directory,
        readable=directory / "context",
        results=lambda agent: directory / "results" / agent / "task_result_*.json",
        pipe=lambda agent: directory / f"{agent}.pipe",
        prompt=lambda _agent: prompt,
        gateway_url="http://127.0.0.1:7000",
        token=lambda agent: f"secret-of-{agent}",
        permission_mode="acceptEdits",
    )


def arguments(directory: Path, *, resume: bool = False, **prompt: Any) -> list[str]:
    given = settings(directory, AgentPrompt(text="You test.", **prompt))
    return command_line(given, "tester", SESSION, resume=resume, write=write_atomically)


def pairs(given: list[str]) -> set[tuple[str, str]]:
    return set(itertools.pairwise(given))


def test_the_whole_of_it_for_the_plainest_prompt(tmp_path: Path) -> None:
    assert arguments(tmp_path) == [
        *("/opt/claude", "--first"),
        *STREAM,
        *("--session-id", SESSION),
        *("--append-system-prompt-file", str(tmp_path / "tester.prompt.md")),
        *("--mcp-config", str(tmp_path / "tester.mcp.json")),
        *("--permission-mode", "acceptEdits"),
        *("--allowedTools", "mcp__coordinator", f"Edit(/{tmp_path}/results/tester/task_result_*.json)"),
        *("--disallowedTools", ",".join(("AskUserQuestion", *PAST_US)), f"Edit(/{tmp_path}/context/**)"),
        *("--add-dir", str(tmp_path / "context")),
    ]


@pytest.mark.parametrize("key", ["tools", "allowed_tools"])
def test_a_tool_that_reaches_past_the_coordinator_is_off_unless_the_prompt_names_it(
    tmp_path: Path, key: str
) -> None:
    assert {"SendMessage", "ListAgents", "CronCreate"} <= disallowed(arguments(tmp_path))
    named: dict[str, Any] = {key: ("Monitor",)}
    given = disallowed(arguments(tmp_path, **named))
    assert "Monitor" not in given
    assert "SendMessage" in given


def disallowed(given: list[str]) -> set[str]:
    return set(given[given.index("--disallowedTools") + 1].split(","))


def test_a_conversation_is_resumed_under_its_id(tmp_path: Path) -> None:
    resumed = arguments(tmp_path, resume=True)
    assert ("--resume", SESSION) in pairs(resumed)
    assert "--session-id" not in resumed


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ({"model": "opus"}, ("--model", "opus")),
        ({"tools": ("Read", "Bash")}, ("--tools", "Read,Bash")),
        (
            {"allowed_tools": ("Bash(npm test:*)", "WebSearch")},
            ("Bash(npm test:*)", "WebSearch"),
        ),
        (
            {"disallowed_tools": ("Write", "Bash(rm:*)")},
            ("--disallowedTools", ",".join(("AskUserQuestion", *PAST_US, "Write", "Bash(rm:*)"))),
        ),
        ({"permission_mode": "plan"}, ("--permission-mode", "plan")),
        ({"extra_arguments": ("--effort", "high")}, ("--effort", "high")),
    ],
)
def test_what_a_prompt_asks_for(tmp_path: Path, prompt: dict[str, Any], expected: tuple[str, str]) -> None:
    assert expected in pairs(arguments(tmp_path, **prompt))
    assert expected not in pairs(arguments(tmp_path))


def test_only_our_server_where_the_prompt_wants_it_strict(tmp_path: Path) -> None:
    assert "--strict-mcp-config" in arguments(tmp_path, strict_mcp=True)
    assert "--strict-mcp-config" not in arguments(tmp_path)


def test_the_files_are_ours_alone_and_the_token_is_on_no_command_line(tmp_path: Path) -> None:
    given = arguments(tmp_path)
    assert (tmp_path / "tester.prompt.md").read_text() == "You test."
    server = json.loads((tmp_path / "tester.mcp.json").read_text())["mcpServers"]["coordinator"]
    assert server == {
        "type": "http",
        "url": "http://127.0.0.1:7000/mcp",
        "headers": {"Authorization": "Bearer secret-of-tester"},
        "alwaysLoad": True,
    }
    assert {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()} == {0o600}
    assert "secret" not in " ".join(given)


def test_without_a_prompt_nothing_is_written(tmp_path: Path) -> None:
    def none(agent: str) -> AgentPrompt:
        raise NoPrompt(agent, ())

    given = settings(tmp_path, AgentPrompt(text="-"))
    start = partial(command_line, SessionSettings(**vars(given) | {"prompt": none}), "tester", SESSION)
    with pytest.raises(NoPrompt):
        start(resume=False, write=write_atomically)
    assert list(tmp_path.iterdir()) == []
