"""Settings that all sessions share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from actors.agents.prompt import AgentPrompt


@dataclass(frozen=True)
class SessionSettings:
    """What a session needs to know.

    Attributes:
        command: The claude to run.
        directory: Where the agents work.
        environment: The environment that claude is given.
        files: The directory for a session's own files (0700).
        readable: A directory that the agent may read beside its own: long contexts lie there.
        results: The result files that an agent without tools may write, as a path with a ``*`` in it.
        pipe: The path of an agent's named pipe.
        prompt: Finds an agent's prompt; raises ``PromptError``.
        gateway_url: Where the gateway's MCP server answers.
        token: The gateway's token for an agent.
        permission_mode: Where the prompt names none.
        receipt_seconds: How long Claude may take to acknowledge a context.
        silence_seconds: How long a claude that works may say nothing before it is taken to hang.
        max_attempts: Attempts before a delivery is dead.
    """

    command: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str]
    files: Path
    readable: Path
    results: Path
    pipe: Callable[[str], Path]
    prompt: Callable[[str], AgentPrompt]
    gateway_url: str
    token: Callable[[str], str]
    permission_mode: str = "acceptEdits"
    receipt_seconds: float = 10.0
    max_attempts: int = 5
    silence_seconds: float = 1800.0
