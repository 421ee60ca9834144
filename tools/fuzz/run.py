"""Fuzzing in rounds: each feeds and checks a new coordinator, while the memory is watched."""

import base64
import random
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from unittest.mock import patch

from tools.common import machine
from tools.common.chance import dice
from tools.fuzz.doors import Calls, EntryPoint, Results, Round, Socket, Stream, Transcripts
from tools.fuzz.others import Plans, Prompts, Publications

DOORS: tuple[type[EntryPoint], ...] = (
    Socket,
    Results,
    Stream,
    Transcripts,
    Calls,
    Prompts,
    Plans,
    Publications,
)
SIZE = 5000
"""Inputs of a round. Then the journal is checked, and the next round starts with an empty one."""
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a directory with a name of its own is made in it
"""The directory for the files of a round, if it exists. It is in memory, because nothing needs to survive."""
WARM_UP = 0.2
"""The part of all rounds after which the memory should not grow."""
GROWTH = 32 * 1024 * 1024
"""Growth after the warm-up that is accepted, in bytes, because of the allocator's fragmentation."""
STILL_HELD = 16 * 1024 * 1024
"""Growth from the first round to the end that is accepted, in bytes, because of bounded caches."""


@dataclass
class Count:
    """The numbers of fed and rejected inputs of one kind."""

    fed: int = 0
    rejected: int = 0


@dataclass(frozen=True)
class Failure:
    """A failure, with the data to reproduce it.

    Attributes:
        where: The kind of the input; empty if the check after the round failed.
        base64: The input.
    """

    round: int
    number: int
    where: str
    base64: str
    what: str


@dataclass
class FuzzResult:
    """The result of a run; sizes in bytes.

    Attributes:
        memory: The process's memory at the end of each round.
        held: The memory in use at the end, without the allocator's reserve.
        digest: A digest of all inputs, their results and the router's output.
    """

    seed: str
    counts: dict[str, Count] = field(default_factory=lambda: {door.name: Count() for door in DOORS})
    failure: Failure | None = None
    seconds: float = 0.0
    memory: list[int] = field(default_factory=list)
    held: int = 0
    digest: str = ""

    @property
    def fed(self) -> int:
        """The number of all inputs."""
        return sum(count.fed for count in self.counts.values())

    @property
    def warm(self) -> int:
        """The memory after the warm-up."""
        return self.memory[int(len(self.memory) * WARM_UP)]

    @property
    def grew(self) -> int:
        """The greatest growth after the warm-up."""
        return max(self.memory) - self.warm

    @property
    def is_clean(self) -> bool:
        """True if nothing failed and the memory stayed bounded."""
        return self.failure is None and self.grew <= GROWTH and self.held - self.memory[0] <= STILL_HELD


def run(seed: str, count: int, seconds: float | None = None, first: int = 0) -> FuzzResult:
    """Feed ``count`` inputs, or as many as the time allows.

    Args:
        seed: The same seed makes the same inputs.
        count: The number of inputs.
        seconds: The time limit.
        first: The first round. Each round has its own seed, so that one can be repeated alone.
    """
    outcome = FuzzResult(seed)
    begin = time.monotonic()
    for number in range(first, first + -(-count // SIZE)):
        size = min(SIZE, count - outcome.fed)
        outcome.failure = _round(outcome, number, size, None if seconds is None else begin + seconds)
        outcome.seconds = time.monotonic() - begin
        outcome.memory.append(machine.resident())
        if outcome.failure or (seconds is not None and outcome.seconds >= seconds):
            break
    outcome.held = machine.held()
    return outcome


@dataclass
class _At:
    """The position within a round."""

    number: int = 0
    door: str = ""
    raw: bytes = b""


def _round(outcome: FuzzResult, number: int, size: int, until: float | None) -> Failure | None:
    source = dice(outcome.seed, f"round {number}")
    at = _At()
    digest = blake2b(outcome.digest.encode(), digest_size=16)
    with _seeded(outcome.seed, number), _opened(source) as (the_round, doors):
        try:
            for door in source.choices(doors, [each.weight for each in doors], k=size):
                at.number, at.door, at.raw = at.number + 1, door.name, door.make()
                count = outcome.counts[door.name]
                count.fed += 1
                useful = door.take(at.raw)
                count.rejected += not useful
                digest.update(b"%d %b" % (useful, at.raw))
                if until is not None and time.monotonic() >= until:
                    break
            at.door, at.raw = "", b""
            the_round.rig.check()
            digest.update(the_round.rig.digest())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what was looked for
            return Failure(number, at.number, at.door, base64.b64encode(at.raw).decode(), _describe(error))
        finally:
            outcome.digest = digest.hexdigest()
    return None


@contextmanager
def _seeded(seed: str, number: int) -> Iterator[None]:
    """Make the product's ids come from the seed too, which ``uuid4`` otherwise takes from the system."""
    chance = dice(seed, f"ids of round {number}")
    with patch("os.urandom", chance.randbytes):
        yield


def _describe(error: Exception) -> str:
    trace, place = error.__traceback__, ""
    while trace is not None:
        place = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__}: {error} ({place})"


@contextmanager
def _opened(source: random.Random) -> Iterator[tuple[Round, list[EntryPoint]]]:
    directory = Path(tempfile.mkdtemp(prefix="fuzz-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None))
    try:
        the_round = Round(directory, source)
        doors = [door(the_round) for door in DOORS]
        try:
            yield the_round, doors
        finally:
            for door in doors:
                door.close()
            the_round.rig.close()
    finally:
        shutil.rmtree(directory)
