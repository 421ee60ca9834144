"""The commands and queries that a supervisor understands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from supervisors.spec import ChildSpec

__all__ = ["CountChildren", "DeleteChild", "RestartChild", "StartChild", "StopChild", "WhichChildren"]


@dataclass(frozen=True, slots=True)
class StartChild:
    """Start one more child.

    When told, a child that runs or is about to be restarted is left alone. When asked, such a child
    raises `NameTaken`, and a failed start raises `StartFailed`. A failed start is not retried.
    """

    spec: ChildSpec


@dataclass(frozen=True, slots=True)
class StopChild:
    """Stop a child for good: it stays stopped until `StartChild` or `RestartChild`."""

    name: str


@dataclass(frozen=True, slots=True)
class RestartChild:
    """Stop a child if it runs, and start it again at once; does not count towards the intensity."""

    name: str


@dataclass(frozen=True, slots=True)
class DeleteChild:
    """Stop a child for good and delete its spec."""

    name: str


@dataclass(frozen=True, slots=True)
class WhichChildren:
    """Ask for a `list[ChildInfo]`, in the order of starting."""


@dataclass(frozen=True, slots=True)
class CountChildren:
    """Ask for a `ChildCount`."""
