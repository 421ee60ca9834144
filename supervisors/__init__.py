"""Supervision for pykka actors, after Erlang/OTP: restarts, mailboxes that survive, and dead letters.

See `docs/explanation/supervision.md` for the concepts.
"""

from supervisors.actor import Actor
from supervisors.commands import (
    CountChildren,
    DeleteChild,
    RestartChild,
    StartChild,
    StopChild,
    WhichChildren,
)
from supervisors.context import ActorContext
from supervisors.errors import (
    Abandoned,
    ActorDied,
    AskTimeout,
    NameTaken,
    NoSuchChild,
    NotRunning,
    RestartIntensityExceeded,
    StartFailed,
    StartTimeout,
    SupervisionError,
    WouldDeadlock,
)
from supervisors.handle import Handle
from supervisors.mailbox import Mailbox
from supervisors.policy import AutoShutdown, Backoff, Intensity, Restart, Strategy
from supervisors.protocols import AddressBook
from supervisors.reports import ChildCount, ChildInfo, ChildStatus, DeadLetter, ExitReport, LifeStage
from supervisors.restarts import time_to_stop
from supervisors.spec import ChildSpec
from supervisors.supervisor import Supervisor
from supervisors.system import System
from supervisors.timers import Timer
from supervisors.window import SlidingWindow

__all__ = [
    "Abandoned",
    "Actor",
    "ActorContext",
    "ActorDied",
    "AddressBook",
    "AskTimeout",
    "AutoShutdown",
    "Backoff",
    "ChildCount",
    "ChildInfo",
    "ChildSpec",
    "ChildStatus",
    "CountChildren",
    "DeadLetter",
    "DeleteChild",
    "ExitReport",
    "Handle",
    "Intensity",
    "LifeStage",
    "Mailbox",
    "NameTaken",
    "NoSuchChild",
    "NotRunning",
    "Restart",
    "RestartChild",
    "RestartIntensityExceeded",
    "SlidingWindow",
    "StartChild",
    "StartFailed",
    "StartTimeout",
    "StopChild",
    "Strategy",
    "SupervisionError",
    "Supervisor",
    "System",
    "Timer",
    "WhichChildren",
    "WouldDeadlock",
    "time_to_stop",
]
