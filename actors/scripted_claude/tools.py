"""The tools, run for real: Bash, Read, Write, and the coordinator's over MCP, behind claude's permissions."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from .background import Background
from .mcp import McpError, McpServer
from .options import Options
from .play import Tool

BUILT_IN = ("Bash", "Read", "Write")
_HARMLESS = frozenset({"echo", "cat", "ls", "pwd", "true", "until", "while", "read", "printf"})
_EDITS = frozenset({"touch", "mkdir", "cp", "mv", "rm", "sed"})
_SECONDS = 120.0
"""Seconds that a command may run, as with the real one."""


class Result(NamedTuple):
    """A tool's result: text, or the content blocks of an MCP tool."""

    content: Any
    is_error: bool = False


class Tools:
    """The tools of a session.

    Args:
        options: permissions, directories and servers.
        interrupted: set when the running tool is to end.
        background: follows commands that outlast their turn.
        denied: tools that are denied whatever the options say.

    Attributes:
        is_starting: a command is about to run, and can't be ended yet.
        postponed: the signal that came just then; it comes again when the command can be ended.
    """

    def __init__(
        self,
        options: Options,
        interrupted: threading.Event,
        background: Background,
        denied: tuple[str, ...] = (),
    ) -> None:
        self._options = options
        self._interrupted = interrupted
        self._background = background
        self._denied = denied
        self.is_starting = False
        self.postponed = 0
        self._servers = {name: McpServer(config) for name, config in options.mcp_servers.items()}
        self._names: dict[str, McpServer] = {}
        self._abort: Callable[[], None] | None = None

    def connect(self) -> list[dict[str, str]]:
        """Ask each server whose tools aren't known yet for them; one that is down has none.

        Returns:
            The servers' states, as the init event has them.
        """
        for name, server in self._servers.items():
            if server not in self._names.values():
                with contextlib.suppress(McpError):
                    self._names |= {f"mcp__{name}__{tool}": server for tool in server.tools()}
        return [{"name": name, "status": self._status(server)} for name, server in self._servers.items()]

    def _status(self, server: McpServer) -> str:
        return "connected" if server in self._names.values() else "failed"

    def names(self) -> list[str]:
        """Return the names of all tools."""
        given = BUILT_IN if "default" in self._options.tools else self._options.tools
        built_in = [name for name in given if name not in self._options.disallowed]
        return [*built_in, *sorted(self._names)]

    def needs_permission(self, tool: Tool) -> str:
        """Return why this use needs permission; empty if it needs none."""
        if tool.name in self._denied:
            return f"Permission to use {tool.name} has been denied."
        if self._options.permission_mode == "bypassPermissions" or self._is_allowed(tool.name):
            return ""
        return getattr(self, f"_ask_{tool.name.lower()}", self._ask_other)(tool)

    def run(self, use_id: str, tool: Tool) -> Result:
        """Use a tool; an error is its result."""
        try:
            if tool.name in self._names:
                return self._run_mcp(tool)
            if tool.input.get("run_in_background"):
                return self._run_in_background(use_id, tool.input)
            return {"Bash": self._run_bash, "Write": _write, "Read": _read}[tool.name](tool.input)
        except (OSError, McpError, KeyError) as error:
            return Result(f"Error: {error}", is_error=True)
        finally:
            self._abort = None

    def abort(self) -> None:
        """End the running tool, from another thread or a signal."""
        if self._abort:
            self._abort()

    def _is_allowed(self, name: str) -> bool:
        servers = {
            "__".join(allowed.split("__")[:2])
            for allowed in self._options.allowed
            if allowed.startswith("mcp__")
        }
        whole = {allowed for allowed in servers if allowed in self._options.allowed}
        return name in self._options.allowed or any(name.startswith(f"{server}__") for server in whole)

    def _ask_bash(self, tool: Tool) -> str:
        word = (str(tool.input.get("command", "")).split() or [""])[0]
        free = word in _HARMLESS or (self._edits_freely and word in _EDITS)
        return "" if free else "This command requires approval"

    def _ask_read(self, tool: Tool) -> str:
        path = tool.input.get("file_path", "")
        return "" if self._is_inside(path) else _not_granted("read from", path)

    def _ask_write(self, tool: Tool) -> str:
        path = tool.input.get("file_path", "")
        free = self._edits_freely and self._is_inside(path)
        return "" if free or self._may_edit(path) else _not_granted("write to", path)

    def _may_edit(self, path: str) -> bool:
        """Return whether a rule such as ``Edit(//absolute/path*)`` allows it."""
        rules = [rule[len("Edit(/") : -1] for rule in self._options.allowed if rule.startswith("Edit(//")]
        return any(fnmatchcase(str(Path(path).resolve()), rule) for rule in rules)

    def _ask_other(self, tool: Tool) -> str:
        return f"Claude requested permissions to use {tool.name}, but you haven't granted it yet."

    @property
    def _edits_freely(self) -> bool:
        return self._options.permission_mode == "acceptEdits"

    def _is_inside(self, path: str) -> bool:
        return any(
            Path(path).resolve().is_relative_to(place) for place in (Path.cwd(), *self._options.directories)
        )

    def _runs(self, abort: Callable[[], None]) -> None:
        """Note how to end what runs; end it at once if an interruption came before."""
        self._abort = abort
        if self._interrupted.is_set():
            abort()

    def _start(self, command: str) -> "subprocess.Popen[bytes]":
        self.is_starting = True  # its first lines may run before anybody here knows its pid
        try:
            # A session of its own, as the real one gives it: a killed claude leaves its command behind.
            process = _popen(command, stdout=subprocess.PIPE)
            self._runs(lambda: _end(process))
        finally:
            self.is_starting = False
            if self.postponed:
                os.kill(os.getpid(), self.postponed)
        return process

    def _run_mcp(self, tool: Tool) -> Result:
        server = self._names[tool.name]
        self._runs(server.abort)
        answer = server.call(tool.name.split("__", 2)[2], tool.input)
        return Result(answer.get("content", []), bool(answer.get("isError", False)))

    def _run_in_background(self, use_id: str, given: Mapping[str, Any]) -> Result:
        command = str(given["command"])
        process = _popen(command, stdout=subprocess.DEVNULL)
        return Result(self._background.add(process, use_id, str(given.get("description", command))))

    def _run_bash(self, given: Mapping[str, Any]) -> Result:
        process = self._start(str(given["command"]))
        try:
            output, _ = process.communicate(timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            _end(process)
            output, _ = process.communicate()
        text = output.decode(errors="replace").rstrip("\n")
        return (
            Result(text or "(Bash completed with no output)")
            if process.returncode == 0
            else _failed(process, text)
        )


def _popen(command: str, stdout: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603  running the command is what the tool is for
        ["/bin/bash", "-c", command],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _end(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _failed(process: "subprocess.Popen[bytes]", text: str) -> Result:
    code = process.returncode if process.returncode > 0 else 128 - process.returncode
    return Result(f"Exit code {code}\n{text}".rstrip(), is_error=True)


def _not_granted(what: str, path: str) -> str:
    return f"Claude requested permissions to {what} {path}, but you haven't granted it yet."


def _write(given: Mapping[str, Any]) -> Result:
    path = Path(given["file_path"])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(given["content"], encoding="utf-8")
    return Result(f"File created successfully at: {path}")


def _read(given: Mapping[str, Any]) -> Result:
    return Result(Path(given["file_path"]).read_text(encoding="utf-8"))
