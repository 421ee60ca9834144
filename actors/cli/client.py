"""The coordinator that runs in a work directory, asked from outside by whoever may read the directory."""

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from actors.lib.errors import ConfigurationError, CoordinatorError
from actors.lib.program import program
from actors.workdir import Holder, WorkDir, find_holder

HEALTH_SECONDS = 2.0
"""How long it may take to say how it is."""
ANSWER_SECONDS = 35.0
"""How long it may take to do something, and answer."""

_direct = build_opener(ProxyHandler({}))
"""Its address is on this machine, whatever proxy the environment names for others."""


def health(running: Holder | None) -> dict[str, Any] | None:
    """What the running coordinator says of itself; None if it doesn't answer."""
    if running is None or running.url is None:
        return None
    try:
        with _direct.open(f"{running.url}/healthz", timeout=HEALTH_SECONDS) as response:
            return dict(json.load(response))
    except (OSError, ValueError):
        return None


def operate(workdir: WorkDir, path: str, body: dict[str, str]) -> str:
    """Ask it for something, at one of the operator's doors; its answer in words.

    Raises:
        ConfigurationError: None runs there.
        CoordinatorError: It will not do it, or doesn't answer.
    """
    running = find_holder(workdir.lock_file)
    if running is None or running.url is None:
        raise ConfigurationError(f"No coordinator runs on {workdir.path}. Start one first: {program()}")
    from actors.gateway import Tokens, load_secret  # noqa: PLC0415 - who only looks need not wait for its libraries

    token = Tokens(load_secret(workdir.secret)).operator
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = Request(running.url + path, json.dumps(body).encode(), headers)  # noqa: S310 - our own address
    try:
        with _direct.open(request, timeout=ANSWER_SECONDS) as response:
            return str(json.load(response)["text"])
    except HTTPError as error:
        raise CoordinatorError(_words(error)) from error
    except OSError as error:
        raise CoordinatorError(f"The coordinator at {running.url} doesn't answer: {error}") from error


def _words(error: HTTPError) -> str:
    try:
        body = json.load(error)
        return str(body.get("text") or body.get("detail") or error)
    except (ValueError, AttributeError):
        return str(error)
