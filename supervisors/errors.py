"""All errors of this package, under one root."""
# ruff: noqa: N818  # the names are the field's words for what happened (a timeout, an abandoned child)

from __future__ import annotations

from pykka import ActorDeadError

__all__ = [
    "Abandoned",
    "ActorDied",
    "AskTimeout",
    "NameTaken",
    "NoSuchChild",
    "NotRunning",
    "RestartIntensityExceeded",
    "StartFailed",
    "StartTimeout",
    "SupervisionError",
    "WouldDeadlock",
]


class SupervisionError(Exception):
    """The root of all errors of this package."""


class NamedError(SupervisionError):
    """An error about one actor.

    Attributes:
        name: The actor's name.
    """

    text = "{name}"

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name

    def __str__(self) -> str:
        return self.text.format(**vars(self))


class TimedError(NamedError):
    """A time limit was exceeded.

    Attributes:
        name: The actor's name.
        seconds: The limit.
    """

    def __init__(self, name: str, seconds: float) -> None:
        super().__init__(name)
        self.args = (name, seconds)
        self.seconds = seconds


class AskTimeout(TimedError, TimeoutError):
    """No answer came in time. If the message was still waiting, it is withdrawn."""

    text = "{name} gave no answer within {seconds} s"


class NotRunning(NamedError, ActorDeadError):
    """The actor is stopped, and no restart is due, so nobody will answer."""

    text = "{name} is not running"


class ActorDied(NamedError):
    """The actor died of something harsher than an `Exception` (the cause) while it handled the ask."""

    text = "{name} died while it handled the message"


class NameTaken(NamedError):
    """The name is taken: by a child of this supervisor, or by a living actor elsewhere in the system."""

    text = "{name} is already running"


class NoSuchChild(NamedError):
    """The supervisor has no child of this name."""

    text = "no child is named {name}"


class WouldDeadlock(NamedError):
    """An actor asked itself or a supervisor above it, which may be waiting for that very actor."""

    text = "an actor must not wait for itself or for a supervisor above it: {name}"


class StartFailed(NamedError):
    """The actor could not be started; `__cause__` has the reason."""

    text = "{name} could not be started"


class StartTimeout(TimedError):
    """The actor's start took too long."""

    text = "{name} was not ready within {seconds} s"


class Abandoned(NamedError):
    """The actor did not end in time. Its thread is left behind and reads no more messages."""

    text = "{name} did not end in its time and was abandoned"


class RestartIntensityExceeded(NamedError):
    """A child needed more restarts than its supervisor allows.

    Attributes:
        name: The supervisor's name.
        child: The child whose restart would have been one too many.
        restarts: The most restarts within the period.
        period: The period in seconds.
    """

    text = "{name}: restarting {child} would be more than {restarts} restarts within {period} s"

    def __init__(self, name: str, *, child: str, restarts: int, period: float) -> None:
        super().__init__(name)
        self.args = (name, child, restarts, period)
        self.child = child
        self.restarts = restarts
        self.period = period
