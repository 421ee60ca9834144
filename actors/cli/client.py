"""A client of the coordinator that runs in a work directory, for anyone who may read the directory."""

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from actors.lib.errors import ConfigurationError, CoordinatorError
from actors.lib.program import command
from actors.workdir import Holder, WorkDir, find_holder

HEALTH_SECONDS = 2.0
"""Seconds that its health check may take."""
ANSWER_SECONDS = 35.0
"""Seconds that a request may take."""

_direct = build_opener(ProxyHandler({}))
"""Uses no proxy, because the address is on this machine."""


def health(running: Holder | None) -> dict[str, Any] | None:
    """Return the answer of the running coordinator's health check; None without an answer."""
    if running is None or running.url is None:
        return None
    try:
        with _direct.open(f"{running.url}/healthz", timeout=HEALTH_SECONDS) as response:
            return dict(json.load(response))
    except (OSError, ValueError):
        return None


def gateway(workdir: WorkDir) -> tuple[str, str]:
    """Return the address of the running coordinator's gateway, and the operator's token.

    Raises:
        ConfigurationError: No coordinator runs there.
    """
    running = find_holder(workdir.lock_file)
    if running is None or running.url is None:
        raise ConfigurationError(f"No coordinator runs in {workdir.path}. Start one first: {command('run')}")
    from actors.gateway import Tokens, load_secret  # noqa: PLC0415 - read-only commands need not load its libraries

    return running.url, Tokens(load_secret(workdir.secret)).operator


def operate(workdir: WorkDir, path: str, body: dict[str, Any]) -> str:
    """Send a request to one of the operator's routes, and return the answer's text.

    Raises:
        ConfigurationError: No coordinator runs there.
        CoordinatorError: It refuses, or doesn't answer.
    """
    url, token = gateway(workdir)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = Request(url + path, json.dumps(body).encode(), headers)  # noqa: S310 - our own address
    try:
        with _direct.open(request, timeout=ANSWER_SECONDS) as response:
            return str(json.load(response)["text"])
    except HTTPError as error:
        raise CoordinatorError(_words(error)) from error
    except OSError as error:
        raise CoordinatorError(f"The coordinator at {url} doesn't answer: {error}") from error


def _words(error: HTTPError) -> str:
    try:
        body = json.load(error)
        return str(body.get("text") or body.get("detail") or error)
    except (ValueError, AttributeError):
        return str(error)
