"""Secrets in URLs."""

import re
from collections.abc import Iterable
from urllib.parse import unquote, urlsplit

SHORTEST, LONG = 4, 16
"""The fewest characters of a secret, and of a value that is taken for one whatever its name."""
REDACTED = "***"
_NAMES = re.compile("token|key|secret|auth|pass|pwd|sig|cred|ticket|session|jwt", re.IGNORECASE)


def secrets_in(url: str) -> tuple[str, ...]:
    """Return what may be secret in a URL, as it stands there and decoded: its password, and values of its query.

    Raises:
        ValueError: It is no URL.
    """
    parts = urlsplit(url)
    pairs = (each.partition("=") for each in re.split("[&;]", parts.query))
    values = (value or name for name, _, value in pairs if _NAMES.search(name) or len(value or name) >= LONG)
    found = (each for raw in (parts.password or "", *values) for each in (raw, unquote(raw)))
    return tuple(dict.fromkeys(each for each in found if len(each) >= SHORTEST))


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return the text with all secrets replaced by asterisks."""
    for secret in sorted(secrets, key=len, reverse=True):  # one may be a part of another
        text = text.replace(secret, REDACTED)
    return text
