"""The processes of a run, started in order and ended in every case."""

import json
import os
import secrets
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from actors.scripted_claude.launch import command as scripted_command
from serving import listen
from tools.chaos import agents, log
from tools.chaos.keeper import Keeper
from tools.chaos.looking import sessions
from tools.chaos.proxy import Proxy
from tools.chaos.surroundings import HOOK, Surroundings
from tools.common.chance import dice
from tools.common.machine import free_ports

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT / ".cache" / "claude" / "node_modules" / ".bin" / "claude"
PROMPT = "You work in a drill.\n"


@dataclass(frozen=True)
class Claude:
    """The program that plays the agents.

    Attributes:
        command: The command.
        environment: Variables that it needs in addition to the minimal environment.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]


def scripted(pace: float) -> Claude:
    """Return the scripted stand-in, which thinks for ``pace`` seconds before each answer."""
    return Claude(tuple(scripted_command()), {"SCRIPTED_CLAUDE_PACE": str(pace)})


def _wrap(program: Path, command: Sequence[str]) -> None:
    """Write a program that is replaced by a command, so that the command can vanish without being touched."""
    program.write_text(f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n')
    program.chmod(0o755)


def real(url: str) -> Claude:
    """Return the pinned claude, connected only to a double of the Messages API at this address.

    Raises:
        FileNotFoundError: It is not installed.
    """
    if not REAL.exists():
        raise FileNotFoundError(f"{REAL}: run scripts/install-claude first")
    environment = {
        "ANTHROPIC_API_KEY": "sk-ant-not-a-key",
        "ANTHROPIC_BASE_URL": url,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_MAX_RETRIES": "2",
    }
    return Claude((str(REAL),), environment)


def _write_hook(home: Path, told: Path) -> None:
    """Give the real claude the hook that the stand-in has: it refuses messages while a file says so."""
    stop = json.dumps({"continue": False, "stopReason": HOOK})
    command = (
        f"test -e {told} || exit 0; if grep -q true {told}; then echo {shlex.quote(stop)};"
        f" else echo {shlex.quote(HOOK)} >&2; exit 2; fi"
    )
    hooks = {"UserPromptSubmit": [{"hooks": [{"type": "command", "command": command}]}]}
    (home / ".claude").mkdir()
    (home / ".claude" / "settings.json").write_text(json.dumps({"hooks": hooks}))


class Testbed:
    """The backend, the network before it, and the coordinator with its agents. A context manager.

    Args:
        directory: The directory for all files.
        claude: The program that plays the agents.
        names: The agents' names.
        seed: The seed of the network's random generator.

    Attributes:
        token: The backend's bearer token.
    """

    def __init__(self, directory: Path, claude: Claude, names: list[str], seed: str) -> None:
        self.home, self.cleaned = directory / "home", directory / "cleaned"
        self.work, self._tasks, self._project = (directory / name for name in ("work", "tasks", "project"))
        self._program, self._hook = directory / "bin" / "claude", directory / "hook"
        disk = directory / "disk"
        for each in (self.home, disk, self._tasks, self.work / "prompts", self._program.parent, self.cleaned):
            each.mkdir(parents=True)
        self._project.symlink_to(disk)  # as if it were mounted there
        _write_hook(self.home, self._hook)
        _wrap(self._program, claude.command)
        for each in (self.work, self._tasks):
            each.chmod(0o700)
        self.token = secrets.token_urlsafe()
        (self._tasks / "backend.token").touch(0o600)
        (self._tasks / "backend.token").write_text(self.token)
        for name in names:
            (self.work / "prompts" / f"{name}.md").write_text(PROMPT)
        self.journal, self.database = self.work / "journal.db", self._tasks / "backend.db"
        (self.gateway_port,) = free_ports(1)
        self._undo = ExitStack()
        # As the coordinator does for its embedded backend, so that the port is never free.
        listener = self._undo.enter_context(listen("127.0.0.1", 0))
        self.backend_port = int(listener.getsockname()[1])
        self.proxy = Proxy(self.backend_port, dice(seed, "network"))
        environment = self._environment(claude)
        self.backend = Keeper(
            [sys.executable, "-m", "backend", f"--listener={listener.fileno()}",
             "--work-dir", str(self._tasks), "--exit-with-stdin"],
            environment, directory=ROOT, ready=lambda line: line.startswith(b"ready "), log=directory / "backend.log",
            pass_fds=[listener.fileno()],
        )  # fmt: skip
        self.coordinator = Keeper(
            [sys.executable, "-m", "tools.chaos.coordinator"],
            environment | self._settings(),
            directory=ROOT,
            ready=log.is_ready,
            log=directory / "coordinator.log",
        )
        self.surroundings = Surroundings(
            self.coordinator, program=self._program, project=self._project, hook=self._hook,
            home=self.home, cleaned=self.cleaned,
        )  # fmt: skip

    def __enter__(self) -> Self:
        try:
            self._start(self.proxy.start, self.proxy.stop)
            self._undo.callback(self._end_agents)
            self._start(self.backend.start, self.backend.stop)
            self.backend.wait_until_ready()
            self._start(self.coordinator.start, self.coordinator.stop)
            self.coordinator.wait_until_ready()
        except BaseException:
            self._undo.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._undo.close()

    def _start(self, start: Callable[[], object], stop: Callable[[], object]) -> None:
        self._undo.callback(stop)
        start()

    def _end_agents(self) -> None:
        """Kill agents that a killed coordinator has left behind. The coordinator itself has ended by now."""
        agents.kill_all(sessions(self.journal).values())

    def _environment(self, claude: Claude) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "400",
            "SCRIPTED_CLAUDE_FAULTS": json.dumps({"refuse_as_told": str(self._hook)}),
            **claude.environment,
        }

    def _settings(self) -> dict[str, str]:
        return {
            "WORK_DIR": str(self.work),
            "PROJECT_DIR": str(self._project),
            "WS_URL": f"ws://127.0.0.1:{self.proxy.port}/ws",
            "WS_TOKEN": self.token,
            "CLAUDE_COMMAND": str(self._program),
            "GATEWAY_PORT": str(self.gateway_port),
            "PING_SECONDS": "1",
            "RECEIPT_SECONDS": "2",
            "LOG_LEVEL": "info",
            "LOG_FORMAT": "json",
        }
