"""Settings that all sessions share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from actors.agents.prompt import AgentPrompt
from actors.lib.files import ensure_directory


@dataclass(frozen=True)
class SessionSettings:
    """The settings of a session; all sessions of a coordinator share one.

    Attributes:
        command: The claude to run.
        directory: Where the agents work.
        environment: The environment of claude's process.
        files: The directory for a session's own files (0700).
        readable: A directory that the agent may read beside its own: long contexts lie there.
        results: Returns the result files that an agent without tools may write, as a path with a ``*`` in it.
        pipe: The path of an agent's named pipe.
        prompt: Finds an agent's prompt; raises ``PromptError``.
        gateway_url: The URL of the gateway, without ``/mcp``.
        token: The gateway's token for an agent.
        permission_mode: Claude's permission mode where the prompt names none.
        receipt_seconds: How long Claude may take to acknowledge a delivery's first attempt.
        silence_seconds: How long a working claude may be silent before it is considered hung and restarted.
        max_attempts: Attempts before a delivery becomes a dead letter.
    """

    command: tuple[str, ...]
    directory: Path
    environment: Mapping[str, str]
    files: Path
    readable: Path
    results: Callable[[str], Path]
    pipe: Callable[[str], Path]
    prompt: Callable[[str], AgentPrompt]
    gateway_url: str
    token: Callable[[str], str]
    permission_mode: str = "acceptEdits"
    receipt_seconds: float = 10.0
    max_attempts: int = 5
    silence_seconds: float = 1800.0

    def ensure_directories(self, agent: str) -> None:
        """Create the directories that an agent's session needs; a cleaner of old files may have removed them.

        Raises:
            UnsafeFileError: Something else is in their place.
            OSError: They can't be created.
        """
        own = self.results(agent).parent
        for directory in (self.files, self.readable, own.parent, own):
            ensure_directory(directory)
