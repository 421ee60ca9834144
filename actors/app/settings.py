"""Settings: from options, the environment and ``.env``, in that order of precedence."""

import os
import shlex
import shutil
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, DotEnvSettingsSource, NoDecode, SettingsConfigDict

from actors.agents.front_matter import PermissionMode
from actors.app.trust import Remark, check_env_file
from actors.lib.errors import ConfigurationError
from actors.lib.urls import secrets_in

ENV_FILE = Path(".env")
"""In the current folder."""
RAISES_RIGHTS = frozenset({
    *("claude_command", "permission_mode", "project_dir", "work_dir"),
    *("ws_url", "ws_token", "embedded_database_url"),
})  # fmt: skip
"""Settings that decide what agents may do, and whom the coordinator obeys: nothing that agents write may set them."""
SIMILAR = 0.8
"""The least similarity (0 to 1) of a misspelled setting's name."""


class Settings(BaseSettings):
    """All settings. Each field is also an environment variable and an option, with the same name."""

    model_config = SettingsConfigDict(
        env_file=ENV_FILE, env_ignore_empty=True, extra="ignore", frozen=True, validate_default=True
    )

    ws_url: str | None = Field(
        None, description="URL of the backend's WebSocket. If not set, an embedded backend is started."
    )
    ws_token: SecretStr | None = Field(None, description="Bearer token for the backend's WebSocket.")
    work_dir: Path = Field(
        Path("/tmp/agenthub_autonomous"),  # noqa: S108 - the documented default; another user's directory is refused
        description="Directory of the journal and the coordinator's other files, private to you (0700).",
    )
    project_dir: Path = Field(Path(), description="Directory in which the agents work.")
    auto_start_sessions: bool = Field(
        default=True, description="Start an agent's session when there is work for it."
    )
    max_queue_size: int = Field(
        100,
        ge=1,
        le=1_000_000,
        description="Most deliveries for one agent kept in memory; more wait in the journal.",
    )
    claude_command: Annotated[tuple[str, ...], NoDecode] = Field(
        ("claude",), description="Command that runs claude, split into words as a shell does."
    )
    embedded_port: int = Field(
        8000, ge=0, le=65535, description="Port of the embedded backend (0: any free one)."
    )
    embedded_database_url: SecretStr | None = Field(
        None, description="Database URL of the embedded backend, instead of a file in WORK_DIR."
    )
    gateway_port: int = Field(
        0,
        ge=0,
        le=65535,
        description="Port of the gateway for agents and people, on loopback (0: any free one).",
    )
    max_reconnect_attempts: int = Field(
        0, ge=0, description="Failed connections in a row before the backend is given up (0: never)."
    )
    ping_seconds: float = Field(20.0, gt=0, le=3600, description="Seconds between pings of a silent backend.")
    receipt_seconds: float = Field(
        10.0,
        gt=0,
        le=3600,
        description="Seconds that Claude may take to acknowledge a context before it is resent.",
    )
    silence_seconds: float = Field(
        1800.0,
        gt=0,
        description="Seconds that a working Claude may be silent before it is considered hung and restarted.",
    )
    max_delivery_attempts: int = Field(
        5, ge=1, le=100, description="Attempts before a delivery becomes a dead letter."
    )
    max_context_bytes: int = Field(
        24_000, ge=1000, le=1_000_000, description="Longest context in a message; longer ones go into a file."
    )
    permission_mode: PermissionMode = Field(
        "acceptEdits", description="Claude's permission mode, unless the agent's prompt names one."
    )
    log_bytes: int = Field(
        10_000_000,
        ge=100_000,
        le=10_000_000_000,
        description="Bytes to keep of each agent's log, and of all other events (GET /api/events).",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Lowest level that is logged to standard error."
    )
    log_format: Literal["text", "json"] = Field(
        "text", description="Format of the log: text, or one JSON object a line."
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
        try:
            parts = urlsplit(value)
            is_right = parts.scheme in ("ws", "wss") and bool(parts.hostname)
            _ = parts.port  # raises ValueError for an invalid port
        except ValueError:
            is_right = False  # the error's own text may quote a password
        if not is_right:
            raise ValueError("must look like ws://host:port/path or wss://…")
        return value

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets in the settings, also those that are a part of the backend's URL."""
        given = [each.get_secret_value() for each in (self.ws_token, self.embedded_database_url) if each]
        return (*given, *secrets_in(self.ws_url or ""))

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


def load(*, starts_agents: bool = True, **options: object) -> Settings:
    """Read the settings. An option that is None counts as not given.

    Args:
        starts_agents: True where agents are started with them: then a ``.env`` that agents may have written can't set
            what raises their rights.
        options: The options.

    Raises:
        ConfigurationError: Values are wrong, or ``.env`` can't be read or can't set them; the message lists all,
            without secrets.
    """
    given = {name.upper() for name, value in options.items() if value is not None}
    try:
        settings = Settings(**{name: value for name, value in options.items() if value is not None})  # type: ignore[arg-type]  # values are validated
        if starts_agents:
            raising = {name.upper() for name in RAISES_RIGHTS}
            check_env_file(ENV_FILE, raising & _from_file(given), settings.project_dir)
    except ValidationError as error:
        lines = [_complaint(found, given) for found in error.errors(include_input=False)]
        raise ConfigurationError("These settings can't be used:\n" + "\n".join(lines)) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{ENV_FILE.absolute()} can't be read: {error}") from None
    return settings


def misspelled() -> Iterator[Remark]:
    """Find names in ``.env`` that are no settings, but similar to one."""
    for name in DotEnvSettingsSource(Settings).env_vars:
        if name in Settings.model_fields:
            continue
        meant = get_close_matches(name.lower(), Settings.model_fields, n=1, cutoff=SIMILAR)
        if meant:
            reason = f"{ENV_FILE.absolute()}: {name.upper()} is no setting, and has no effect"
            yield Remark("setting_unknown", reason, f"write {meant[0].upper()}, if that is meant")


def _from_file(given: set[str]) -> set[str]:
    """Return the names, in upper case, that ``.env`` decides on: neither options nor the environment set them."""
    nearer = given | {each.upper() for each, value in os.environ.items() if value}
    return {name.upper() for name, value in DotEnvSettingsSource(Settings).env_vars.items() if value} - nearer


def _complaint(found: ErrorDetails, options: set[str]) -> str:
    """Return a line on a wrong value, with its source if that is ``.env``."""
    name = ".".join(map(str, found["loc"])).upper()
    source = f" (in {ENV_FILE.absolute()})" if name in _from_file(options) else ""
    return f"  {name}: {found['msg'].removeprefix('Value error, ')}{source}"


def load_defaults(**values: object) -> Settings:
    """Return the defaults with these values, regardless of the environment."""
    defaults = {name: field.default for name, field in Settings.model_fields.items()}
    return Settings(**(defaults | values))


def find_claude(settings: Settings) -> str:
    """Return the absolute path of the program that ``claude_command`` names.

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
