"""One run: start everything, kill parts while it works, wait until all work is done, and judge the result."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from actors.app.serve import ESCALATED
from actors.gateway import Tokens, load_secret
from tools.chaos.evidence import Evidence, gather
from tools.chaos.helper import Helper
from tools.chaos.keeper import DownError
from tools.chaos.killer import Killer
from tools.chaos.kinds import Kill
from tools.chaos.people import Given, People, RestClient
from tools.chaos.plans import Planner
from tools.chaos.recovery import Recovery, recoveries
from tools.chaos.settling import Left, Settling
from tools.chaos.testbed import Claude, Testbed
from tools.chaos.thief import Thief
from tools.chaos.verdict import Finding, judge
from tools.common.chance import dice


@dataclass(frozen=True)
class Scale:
    """The size of a run.

    Attributes:
        agents: The number of agents.
        busy: The number of subtasks that are open at a time.
        pause: The longest pause between two actions of the people, in seconds.
        think: The longest time that an agent thinks about a step, in seconds.
        freeze: The longest stop of a process before it is killed, in seconds.
        settle: The longest time until all work is done after the last kill, in seconds.
        background: The part of the subtasks that are done in the background.
    """

    agents: int
    busy: int
    pause: float
    think: float
    freeze: float
    settle: float
    background: float


@dataclass(frozen=True)
class ChaosResult:
    """The result of a run.

    Attributes:
        retried: The number of times that a person retried an agent that a hook had stopped.
        thefts: The number of attempts to get the backend's port.
    """

    seconds: float
    given: Given
    kills: list[Kill]
    left: Left
    settled_after: float
    exits: dict[str, int]
    found: Evidence
    findings: list[Finding]
    recoveries: list[Recovery]
    retried: int
    thefts: int


def run(
    directory: Path,
    claude: Claude,
    scale: Scale,
    *,
    seed: str,
    seconds: float,
    kills: int,
    odds: Mapping[str, int],
    check: Callable[[Evidence], list[Finding]] = lambda _: [],
) -> ChaosResult:
    """Run once.

    Args:
        directory: The directory for all files.
        claude: The program that plays the agents.
        scale: The size of the run.
        seed: Determines the work and the kills.
        seconds: The duration of the killing.
        kills: The greatest number of kills, spread over that time.
        odds: The weight of each kind of kill.
        check: A further check, before everything is stopped.
    """
    names = [f"agent-{number}" for number in range(scale.agents)]
    began = time.monotonic()
    with Testbed(directory, claude, names, seed) as testbed:
        alarm = threading.Event()
        people = _people(testbed, scale, names, seed, alarm)
        helper = Helper(dice(seed, "helper"), _gateway(testbed), testbed.journal)
        thief = Thief(testbed.backend_port, testbed.token)
        killer = Killer(
            dice(seed, "kills"), coordinator=testbed.coordinator, backend=testbed.backend, proxy=testbed.proxy,
            surroundings=testbed.surroundings, thief=thief, journal=testbed.journal, pause=seconds / kills,
            most=kills, odds=odds, freeze=scale.freeze, alarm=alarm,
        )  # fmt: skip
        people.start()
        helper.start()
        killer.start()
        try:
            alarm.wait(seconds)
        finally:
            killed, given = killer.stop(), people.stop()
            thief.stop()
        with suppress(DownError):  # unfinished work is a finding
            testbed.backend.wait_until_ready()
            testbed.coordinator.wait_until_ready()
        settling = time.monotonic()
        left = Settling(testbed.journal, testbed.database).wait(scale.settle)
        settled_after = time.monotonic() - settling
        helper.stop()
    found = gather(testbed.journal, testbed.database, testbed.home, testbed.cleaned)
    findings = judge(given, found) + check(found) + _ends(testbed)
    findings += [Finding("wrong", stolen) for stolen in thief.loot]
    return ChaosResult(
        seconds=time.monotonic() - began,
        given=given,
        kills=killed,
        left=left,
        settled_after=settled_after,
        exits={f"{name} {code}": count for name, code, count in _exits(testbed)},
        found=found,
        findings=findings,
        recoveries=recoveries(killed, found, testbed.coordinator),
        retried=helper.retried,
        thefts=thief.tried,
    )


def _people(testbed: Testbed, scale: Scale, names: list[str], seed: str, alarm: threading.Event) -> People:
    return People(
        dice(seed, "people"),
        Planner(dice(seed, "plans"), names, scale.think, scale.background),
        backend=RestClient(testbed.backend_port, testbed.token),
        gateway=_gateway(testbed),
        journal=testbed.journal,
        busy=scale.busy,
        pause=scale.pause,
        alarm=alarm,
    )


def _gateway(testbed: Testbed) -> RestClient:
    return RestClient(testbed.gateway_port, Tokens(load_secret(testbed.work / "gateway.secret")).operator)


def _exits(testbed: Testbed) -> list[tuple[str, int, int]]:
    both = (("coordinator", testbed.coordinator), ("backend", testbed.backend))
    return [(name, code, count) for name, keeper in both for code, count in keeper.exits.items()]


def _ends(testbed: Testbed) -> list[Finding]:
    """Return a finding for each unexpected end of a process; a coordinator may give up and be restarted."""
    return [
        Finding("wrong", f"the {name} ended by itself with exit code {code}, {count} times")
        for name, code, count in _exits(testbed)
        if (name, code) != ("coordinator", ESCALATED)
    ]
