"""The environment that claude is given: the user's own, without what is the coordinator's business."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from pydantic import SecretStr

from actors.app.settings import Settings
from actors.lib.failpoints import VARIABLE as FAILPOINT
from actors.lib.program import VARIABLE as PROGRAM

ROOT = Path(__file__).resolve().parents[2]
"""The directory of our packages: the checkout, or the ``site-packages`` that they are installed in."""

SECRETS = {name for name, field in Settings.model_fields.items() if SecretStr in get_args(field.annotation)}
"""Settings that an agent must not read; ``backend_token`` is what the embedded backend's clients are given."""
OF_ANOTHER_SESSION = {
    "claudecode",
    "claude_code_child_session",
    "claude_code_entrypoint",
    "claude_code_launched_by_session_ids",
    "claude_code_session_attended",
    "claude_code_session_id",
    "claude_code_sse_port",
}
"""Where an agent of Claude Code's started the coordinator: by these claude would take itself to be a part of that."""
WITHHELD = SECRETS | OF_ANOTHER_SESSION | {"backend_token", FAILPOINT.lower(), PROGRAM.lower()}
"""In lower case: a setting is read whatever case it is written in."""


def claude_environment(given: Mapping[str, str] = os.environ) -> dict[str, str]:
    """What claude, and whatever it starts, may see of the coordinator's own environment."""
    environment = {name: value for name, value in given.items() if name.lower() not in WITHHELD}
    if "PYTHONPATH" in environment:
        environment["PYTHONPATH"] = _without_ours(environment["PYTHONPATH"])
    return {name: value for name, value in environment.items() if (name, value) != ("PYTHONPATH", "")}


def _without_ours(path: str) -> str:
    """A project may well have a package ``backend`` of its own; it must not find ours instead."""
    return os.pathsep.join(entry for entry in path.split(os.pathsep) if entry != str(ROOT))


def scripted_environment(config: Path) -> dict[str, str]:
    """What the scripted stand-in for claude runs in.

    Args:
        config: Where it keeps its conversations, so that it leaves the user's own alone.
    """
    return claude_environment() | {"CLAUDE_CONFIG_DIR": str(config)}
