"""Send the coordinator more than it can handle at once, and check its memory and every arrival."""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tools.pressure.backend import serving, wait
from tools.pressure.run import LIMIT, PressureRun, running

MEBI = 1024 * 1024
IN_MEMORY = 100
"""The coordinator's default limit on deliveries of one agent in memory."""
ROOM = 10_000
"""Messages that may wait for the connection, and for the router, before the coordinator stops reading the socket."""


@dataclass(frozen=True)
class TrialSize:
    """The size of a trial.

    Attributes:
        count: Number of messages.
        bytes: Size of each message in bytes.
        growth: Greatest growth of the coordinator's memory in bytes.
    """

    count: int
    bytes: int
    growth: int


DEAF, QUICK_DEAF = TrialSize(10_000, 10_000, 450 * MEBI), TrialSize(1500, 10_000, 250 * MEBI)
BURST, QUICK_BURST = TrialSize(50_000, 1000, 250 * MEBI), TrialSize(6000, 10_000, 350 * MEBI)
LARGE, QUICK_LARGE = TrialSize(600, 1_000_000, 900 * MEBI), TrialSize(150, 1_000_000, 280 * MEBI)
UNDER_WAY = 20
"""Messages that may wait for the work directory. Each is answered before the next, except hints to check files."""
SLOW = 0.0005
"""Seconds of delay in the router for each event of the burst."""


@dataclass
class Trial:
    """The result of a trial; memory in bytes, times in seconds.

    Attributes:
        held: Memory in use after the trial, without the allocator's reserve.
        facts: Other observations, for people.
        problems: Expectations that did not hold.
    """

    name: str
    size: TrialSize
    before: int = 0
    most: int = 0
    after: int = 0
    held: int = 0
    facts: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def expect(self, what: str, *, holds: bool) -> None:
        """Record a problem, unless the expectation holds."""
        if not holds:
            self.problems.append(f"expectation failed: {what}")


def deaf(directory: Path, size: TrialSize) -> Trial:
    """Test an agent that reads nothing while messages for it arrive, and then reads again."""
    trial, agents = Trial("an agent that does not read", size), ["deaf"]
    with serving() as (backend, url), running(directory, url, agents) as run:
        backend.say(range(1), agents, size.bytes)
        run.wait_until_journaled(1, "handed_at IS NOT NULL")
        trial.before = run.memory.now()
        backend.say(range(1, size.count), agents, size.bytes)
        trial.facts["all of it sent after"] = f"{wait(backend.said, LIMIT, 'all is sent'):.1f} s"
        trial.facts["all of it journaled after"] = f"{run.wait_until_journaled(size.count):.1f} s more"
        handed = run.journaled("handed_at IS NOT NULL")
        trial.facts["handed to the session"] = str(handed)
        trial.facts["in the journal only"] = str(run.journaled("handed_at IS NULL"))
        trial.facts["memory while nobody reads"] = f"{run.memory.now() / MEBI:.0f} MiB"
        trial.expect(f"at most {IN_MEMORY} are handed over ({handed})", holds=handed <= IN_MEMORY)
        trial.expect("nothing has arrived", holds=not run.arrived())
        run.open_gate()
        trial.facts["all of it arrived"] = (
            f"{run.wait_until_arrived(size.count):.1f} s after the agent read again"
        )
        finish(trial, run, agents)
    return trial


def burst(directory: Path, size: TrialSize) -> Trial:
    """Test many events at once with a slow router."""
    return flood(Trial("a burst on the socket, a slow router", size), directory, SLOW)


def large(directory: Path, size: TrialSize) -> Trial:
    """Test large events that arrive faster than the history file can be written."""
    return flood(Trial("large messages", size), directory, 0.0)


def flood(trial: Trial, directory: Path, slow: float) -> Trial:
    """Send all messages at once to four agents that read."""
    size, agents = trial.size, [f"agent-{each}" for each in range(4)]
    with serving() as (backend, url), running(directory, url, agents, slow) as run:
        run.open_gate()
        backend.say(range(len(agents)), agents, size.bytes)
        run.wait_until_arrived(len(agents))
        trial.before = run.memory.now()
        backend.say(range(len(agents), size.count), agents, size.bytes)
        trial.facts["all of it sent after"] = f"{wait(backend.said, LIMIT, 'all is sent'):.1f} s"
        trial.facts["journaled by then"] = str(run.journaled("1"))
        trial.facts["all of it arrived"] = f"{run.wait_until_arrived(size.count):.1f} s after it was sent"
        finish(trial, run, agents)
    return trial


def finish(trial: Trial, run: PressureRun, agents: list[str]) -> None:
    """Check that all messages have arrived once and in order, the journal, the queues and the memory."""
    count = trial.size.count
    run.wait_until_journaled(count, "state = 'completed'")
    for place, agent in enumerate(agents):
        expected = list(range(place, count, len(agents)))
        trial.expect(
            f"everything arrived at {agent}, once and in order", holds=run.arrived()[agent] == expected
        )
    trial.expect("the journal holds no other deliveries", holds=run.journaled("1") == count)
    trial.facts["written more than once"] = str(run.journaled("attempts > 1"))
    trial.after, trial.most = run.memory.now(), run.memory.most
    grew = trial.most - trial.before
    trial.expect(
        f"it grew by {trial.size.growth // MEBI} MiB at most ({grew // MEBI})",
        holds=grew <= trial.size.growth,
    )
    said = run.end()
    trial.facts["waited at most"] = ", ".join(
        f"{number} for the {name}" for name, number in said["waited"].items()
    )
    trial.held = said["held"]
    # Messages that wait for the connection when it stops reading the socket are still passed to the router.
    for name, number in said["waited"].items():
        most = UNDER_WAY if name == "workdir" else 2 * ROOM
        trial.expect(f"at most {most} wait for the {name} ({number})", holds=number <= most)
    trial.expect("it stopped in order", holds=said["abandoned"] == [])


TRIALS: dict[str, tuple[Callable[[Path, TrialSize], Trial], TrialSize, TrialSize]] = {
    "deaf": (deaf, DEAF, QUICK_DEAF),
    "burst": (burst, BURST, QUICK_BURST),
    "large": (large, LARGE, QUICK_LARGE),
}


def main() -> int:
    """Run the trials, print their results, and return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/pressure", description=__doc__)
    parser.add_argument(
        "trials", nargs="*", metavar="TRIAL", help=f"trial to run: {' or '.join(TRIALS)} (default: all)"
    )
    parser.add_argument("--quick", action="store_true", help="use fewer messages")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    if not set(given.trials) <= set(TRIALS):
        parser.error(f"there are only {', '.join(TRIALS)}")
    done = []
    for name in given.trials or TRIALS:
        trial, size, quick = TRIALS[name]
        with tempfile.TemporaryDirectory(prefix="pressure-") as directory:
            done.append(trial(Path(directory), quick if given.quick else size))
    if given.json:
        print(json.dumps([asdict(each) for each in done], indent=2))
    else:
        for each in done:
            show(each)
    return 1 if any(each.problems for each in done) else 0


def show(trial: Trial) -> None:
    """Print a trial's result for people."""
    print(f"{trial.name}: {trial.size.count:,} messages of {trial.size.bytes:,} bytes")
    for name, value in (
        ("before", trial.before),
        ("at most", trial.most),
        ("after", trial.after),
        ("in use", trial.held),
    ):
        print(f"  memory {name:<39}{value / MEBI:.0f} MiB")
    for what, seen in trial.facts.items():
        print(f"  {what:<46}{seen}")
    for problem in trial.problems:
        print(f"  {problem}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
