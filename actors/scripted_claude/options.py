"""The command line of `claude -p`: options that matter to the stand-in are read, others accepted and ignored."""

import argparse
import json
import sys
import uuid
from pathlib import Path
from typing import NamedTuple

VERSION = "2.1.332 (scripted stand-in, not Claude)"
_TAKEN: tuple[str, ...] = (
    "--append-system-prompt",
    "--append-system-prompt-file",
    "--effort",
    "--fallback-model",
    "--max-budget-usd",
)
_TAKEN += ("--max-turns", "--setting-sources", "--system-prompt", "--system-prompt-snapshot")
_LISTS = ("--allowedTools", "--disallowedTools", "--tools", "--add-dir", "--mcp-config")


class Refused(Exception):  # noqa: N818  what the program says of it, not an error of its own
    """The program refuses to start; the text is for stderr."""


class Options(NamedTuple):
    """The options of the stand-in."""

    session: str
    resume: bool
    model: str
    permission_mode: str
    asks_host: bool
    replay: bool
    allowed: tuple[str, ...]
    disallowed: tuple[str, ...]
    tools: tuple[str, ...]
    directories: tuple[Path, ...]
    mcp_servers: dict[str, dict[str, object]]
    start_hooks: tuple[str, ...]


def parse(arguments: list[str]) -> Options:
    """Read the command line.

    Raises:
        Refused: the session id is no UUID, or a named file is missing.
    """
    given = _parser().parse_args(arguments)
    session = given.resume or given.session_id or str(uuid.uuid4())
    _check(session, given.append_system_prompt_file)
    return Options(
        session=session,
        resume=bool(given.resume),
        model=given.model,
        permission_mode=given.permission_mode,
        asks_host=given.permission_prompt_tool == "stdio",
        replay=given.replay_user_messages,
        allowed=_names(given.allowedTools),
        disallowed=_names(given.disallowedTools),
        tools=_names(given.tools) if given.tools is not None else ("default",),
        directories=tuple(Path(name).resolve() for name in given.add_dir or ()),
        mcp_servers=_servers(given.mcp_config or []),
        start_hooks=_start_hooks(given.settings),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="claude", allow_abbrev=False, description=VERSION)
    parser.add_argument("-v", "--version", action="version", version=VERSION)
    parser.add_argument("-p", "--print", action="store_true", required=True)
    parser.add_argument("--input-format", choices=["stream-json"], required=True)
    parser.add_argument("--output-format", choices=["stream-json"], required=True)
    for flag in ("--verbose", "--replay-user-messages", "--strict-mcp-config", "--include-hook-events"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--session-id")
    parser.add_argument("-r", "--resume")
    parser.add_argument("--model", default="scripted")
    parser.add_argument("--permission-mode", default="default")
    parser.add_argument("--permission-prompt-tool", default="")
    for flag in _LISTS:
        parser.add_argument(flag, nargs="*", action="extend")
    parser.add_argument("--settings", default="{}")
    for flag in _TAKEN:
        parser.add_argument(flag)
    return parser


def _check(session: str, prompt_file: str | None) -> None:
    try:
        uuid.UUID(session)
    except ValueError as error:
        raise Refused("Error: Invalid session ID. Must be a valid UUID.") from error
    if prompt_file and not Path(prompt_file).is_file():
        raise Refused(f"Error: Append system prompt file not found: {prompt_file}")


def _names(given: list[str] | None) -> tuple[str, ...]:
    """Split names of tools, which come separated by commas or blanks, or as arguments of their own."""
    return tuple(name for item in given or () for name in item.replace(",", " ").split())


def _servers(given: list[str]) -> dict[str, dict[str, object]]:
    servers: dict[str, dict[str, object]] = {}
    for item in given:
        text = item if item.lstrip().startswith("{") else Path(item).read_text(encoding="utf-8")
        servers |= json.loads(text).get("mcpServers", {})
    return servers


def _start_hooks(settings: str) -> tuple[str, ...]:
    """Return the commands to run at the start, of settings given as JSON; a file with settings is ignored."""
    given = json.loads(settings) if settings.startswith("{") else {}
    groups = given.get("hooks", {}).get("SessionStart", [])
    return tuple(str(hook["command"]) for group in groups for hook in group["hooks"])


def refuse(text: str) -> None:
    """Write the reason to stderr, and end the program."""
    sys.stderr.write(text + "\n")
    sys.exit(1)
