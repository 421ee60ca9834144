"""Settings: from options, the environment and ``.env``, in that order of precedence."""

import os
import shlex
import shutil
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, DotEnvSettingsSource, NoDecode, SettingsConfigDict

from actors.agents.front_matter import PermissionMode
from actors.lib.errors import ConfigurationError

ENV_FILE = Path(".env")
"""In the folder that the program is started in."""


class Settings(BaseSettings):
    """Everything that can be set; each field is an environment variable and an option of the same name."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE, env_ignore_empty=True, extra="ignore", frozen=True, validate_default=True
    )

    ws_url: str | None = Field(
        None, description="The backend's WebSocket. Not set: an embedded backend is started."
    )
    ws_token: SecretStr | None = Field(None, description="Bearer token for the backend's WebSocket.")
    work_dir: Path = Field(
        Path("/tmp/agenthub_autonomous"),  # noqa: S108 - the documented default; a path that isn't ours is refused
        description="Where the journal and the files for people lie. Ours alone (0700).",
    )
    project_dir: Path = Field(Path(), description="Where the agents work. Default: the current folder.")
    auto_start_sessions: bool = Field(
        default=True, description="Start a session for an agent that needs one."
    )
    max_queue_size: int = Field(
        100,
        ge=1,
        le=1_000_000,
        description="Deliveries of one agent held in memory; the rest wait in the journal.",
    )
    claude_command: Annotated[tuple[str, ...], NoDecode] = Field(
        ("claude",), description="The claude to run, split as a shell does."
    )
    embedded_port: int = Field(
        8000, ge=0, le=65535, description="Port of the embedded backend (0: any free one)."
    )
    embedded_database_url: SecretStr | None = Field(
        None, description="Another database for the embedded backend than a file in WORK_DIR."
    )
    gateway_port: int = Field(
        0, ge=0, le=65535, description="Port for agents and people on loopback (0: any)."
    )
    max_reconnect_attempts: int = Field(
        0, ge=0, description="Give up on the backend after so many (0: never)."
    )
    ping_seconds: float = Field(20.0, gt=0, le=3600, description="How often a silent backend is pinged.")
    receipt_seconds: float = Field(
        10.0,
        gt=0,
        le=3600,
        description="How long Claude may take to acknowledge a context before it is tried again.",
    )
    silence_seconds: float = Field(
        1800.0,
        gt=0,
        description="How long a claude that works may say nothing before it is taken to hang, and resumed.",
    )
    max_delivery_attempts: int = Field(
        5, ge=1, le=100, description="Attempts before a delivery becomes a dead letter."
    )
    max_context_bytes: int = Field(
        24_000, ge=1000, le=1_000_000, description="Longer contexts are put into a file that the agent reads."
    )
    permission_mode: PermissionMode = Field(
        "acceptEdits", description="Claude's permission mode where the prompt names none."
    )
    log_bytes: int = Field(
        10_000_000,
        ge=100_000,
        le=10_000_000_000,
        description="Bytes kept of what each agent says and does, and of what else happens (GET /api/events).",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="What is logged to stderr."
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="How it is logged: as text, or as one JSON object a line."
    )

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @field_validator("claude_command", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        words = tuple(shlex.split(value))
        if not words:
            raise ValueError("names no command")
        return words

    @field_validator("ws_url")
    @classmethod
    def _is_websocket(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("ws", "wss") or not parts.hostname:
            raise ValueError("must look like ws://host:port/path or wss://…")
        _ = parts.port  # raises ValueError for a port that is none
        return value

    @field_validator("work_dir", "project_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @field_validator("project_dir")
    @classmethod
    def _is_directory(cls, value: Path) -> Path:
        if not value.is_dir():
            raise ValueError(f"{value} is not a directory")
        return value


def load(**options: object) -> Settings:
    """Read the settings; options that are None were not given.

    Raises:
        ConfigurationError: A value is wrong, or ``.env`` can't be read; the message names each one, without secrets.
    """
    try:
        return Settings(**{name: value for name, value in options.items() if value is not None})  # type: ignore[arg-type]  # values are validated
    except ValidationError as error:
        given = {name.upper() for name, value in options.items() if value is not None}
        lines = [_complaint(found, given) for found in error.errors(include_input=False)]
        raise ConfigurationError("These settings can't be used:\n" + "\n".join(lines)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{ENV_FILE.absolute()} can't be read: {error}") from None


def _complaint(found: ErrorDetails, options: set[str]) -> str:
    """What is wrong with a value, and where it came from if that is easily forgotten."""
    name = ".".join(map(str, found["loc"])).upper()
    nearer = options | {each.upper() for each, value in os.environ.items() if value}
    is_in_file = name not in nearer and name.lower() in DotEnvSettingsSource(Settings).env_vars
    source = f" (in {ENV_FILE.absolute()})" if is_in_file else ""
    return f"  {name}: {found['msg'].removeprefix('Value error, ')}{source}"


def load_defaults(**values: object) -> Settings:
    """The defaults, whatever the environment says, but for these values."""
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    return Settings(**(defaults | values))


def find_claude(settings: Settings) -> str:
    """The absolute path of the program that ``claude_command`` names.

    Raises:
        ConfigurationError: There is no such program.
    """
    found = shutil.which(settings.claude_command[0])
    if found is None:
        raise ConfigurationError(
            f"CLAUDE_COMMAND: there is no program {settings.claude_command[0]!r}. Install Claude Code"
            " (npm install -g @anthropic-ai/claude-code) or set CLAUDE_COMMAND."
        )
    return found
