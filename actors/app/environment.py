"""The environment of claude: the user's own, without the coordinator's secrets and private variables."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from pydantic import SecretStr

from actors.app.settings import Settings
from actors.lib.failpoints import VARIABLE as FAILPOINT
from actors.lib.program import VARIABLE as PROGRAM

ROOT = Path(__file__).resolve().parents[2]
"""The directory of the product's packages: the checkout, or ``site-packages``."""

SECRETS = {name for name, field in Settings.model_fields.items() if SecretStr in get_args(field.annotation)}
"""Settings that an agent must not read."""
OF_ANOTHER_SESSION = {
    "claudecode",
    "claude_code_child_session",
    "claude_code_entrypoint",
    "claude_code_launched_by_session_ids",
    "claude_code_session_attended",
    "claude_code_session_id",
    "claude_code_sse_port",
}
"""Variables of a Claude Code session that started the coordinator; with them, claude would join that session."""
WITHHELD = SECRETS | OF_ANOTHER_SESSION | {"ws_url", "backend_token", FAILPOINT.lower(), PROGRAM.lower()}
"""Withheld variables, in lower case because settings are read in any case. The URL may hold a token."""
CLAUDES_OWN = ("ANTHROPIC_", "CLAUDE_")
"""The beginnings of variables that claude needs, whatever they hold."""


def claude_environment(
    given: Mapping[str, str] = os.environ, secrets: tuple[str, ...] = ()
) -> dict[str, str]:
    """Return the part of the coordinator's environment that claude and its children may see.

    Args:
        given: The coordinator's environment.
        secrets: Secrets of the coordinator; a variable of any name that contains one is withheld too.
    """
    environment = {
        name: value
        for name, value in given.items()
        if name.lower() not in WITHHELD
        and (name.startswith(CLAUDES_OWN) or not any(secret in value for secret in secrets))
    }
    if "PYTHONPATH" in environment:
        environment["PYTHONPATH"] = _without_ours(environment["PYTHONPATH"])
    return {name: value for name, value in environment.items() if (name, value) != ("PYTHONPATH", "")}


def _without_ours(path: str) -> str:
    """Remove the product from the path, so that it doesn't hide a project's own package ``backend``."""
    return os.pathsep.join(entry for entry in path.split(os.pathsep) if entry != str(ROOT))


def scripted_environment(config: Path) -> dict[str, str]:
    """Return the environment of the scripted stand-in for claude.

    Args:
        config: The directory for its conversations, apart from the user's own.
    """
    return claude_environment() | {"CLAUDE_CONFIG_DIR": str(config)}
