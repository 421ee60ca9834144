"""Bearer tokens, which prove a caller's name and need no storage except one secret."""

import hmac
import os
import secrets
from pathlib import Path

from actors.lib.errors import ConfigurationError
from actors.lib.files import ExposedFileError, UnsafeFileError, open_ours, write_atomically
from actors.protocol.base import is_agent_name

SECRET_BYTES = 32
_OPERATOR = "operator"
_AGENT = "agent."


class Tokens:
    """Creates and verifies tokens of the form ``<name>.<HMAC-SHA256 of the name, in hex>``.

    A token is valid as long as the secret, so a session's token stays valid after a restart of the coordinator.

    Args:
        secret: The key, at least 32 bytes.

    Raises:
        ValueError: The secret is too short.
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) < SECRET_BYTES:
            raise ValueError(f"the secret has {len(secret)} bytes, at least {SECRET_BYTES} are needed")
        self._secret = secret

    @property
    def operator(self) -> str:
        """The token of the person who runs the coordinator."""
        return self._sign(_OPERATOR)

    def for_agent(self, agent: str) -> str:
        """Return the token for this agent's session.

        Raises:
            ValueError: The name is no agent's name.
        """
        if not is_agent_name(agent):
            raise ValueError(f"{agent!r} is no agent's name")
        return self._sign(_AGENT + agent)

    def agent_of(self, token: str) -> str | None:
        """Return the agent of this token; None if it is not a valid agent's token."""
        whom = self._bearer(token)
        return whom.removeprefix(_AGENT) if whom and whom.startswith(_AGENT) else None

    def is_operator(self, token: str) -> bool:
        """Tell whether this is the operator's token."""
        return self._bearer(token) == _OPERATOR

    def _bearer(self, token: str) -> str | None:
        if not token.isascii():  # compare_digest accepts only ASCII text
            return None
        whom = token.rpartition(".")[0]
        return whom if hmac.compare_digest(self._sign(whom), token) else None

    def _sign(self, whom: str) -> str:
        return f"{whom}.{hmac.digest(self._secret, whom.encode(), 'sha256').hex()}"


def load_secret(path: Path) -> bytes:
    """Return the secret in this file, which is created at the first use. Call it in one process at a time.

    Raises:
        ConfigurationError: The file can't be created or read, is not private, or holds no secret.
    """
    try:
        if not os.path.lexists(path):
            write_atomically(path, secrets.token_bytes(SECRET_BYTES), durable=True)
    except OSError as error:
        raise ConfigurationError(f"{path}: the gateway's secret can't be made: {error.strerror}") from error
    return _read(path)


def _read(path: Path) -> bytes:
    try:
        with os.fdopen(open_ours(path, os.O_RDONLY, private=True), "rb") as file:
            secret = file.read(SECRET_BYTES + 1)
    except ExposedFileError as error:
        raise ConfigurationError(
            f"{path} is open to others (mode {error.mode:04o}, user {error.uid}): what"
            " it holds may be known. Delete it to have a new one made; running sessions then need a restart."
        ) from error
    except UnsafeFileError as error:
        raise ConfigurationError(f"{path} {error.fault}; the gateway's secret belongs there") from error
    except OSError as error:
        raise ConfigurationError(f"{path}: the gateway's secret can't be read: {error.strerror}") from error
    if len(secret) != SECRET_BYTES:
        raise ConfigurationError(
            f"{path} does not hold the gateway's secret; delete it to have a new one made"
        )
    return secret
