"""The router: the owner of the dependency graph and the journal."""

from actors.router.actor import RouterActor
from actors.router.context import ContextBuilder
from actors.router.parts import RouterParts, RouterSettings
from actors.router.session_host import LocalSessionHost, SessionHost

__all__ = [
    "ContextBuilder",
    "LocalSessionHost",
    "RouterActor",
    "RouterParts",
    "RouterSettings",
    "SessionHost",
]
