"""Measures what the coordinator costs, beside the barest pipeline that could do its work.

All figures come from one run, in which the pipelines take turns, so that their ratios hold on any machine;
absolute figures don't. Exits with 0 if all bars hold, else with 1.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from benchmark.stage import Stage, stage

AGENTS = 20
PIPELINES = ("bare", "durable", "ours", "history")
PARTS = ("latency", "throughput")
Samples = list[tuple[int, int]]


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        rounds: How often the pipelines take turns.
        events: Events in each turn.
        gap: Seconds between two events.
        flood: Events whose throughput is measured.
        floods: How often.
    """

    rounds: int
    events: int
    gap: float
    flood: int
    floods: int


WHOLE = Size(rounds=8, events=120, gap=0.012, flood=30_000, floods=1)
QUICK = Size(rounds=4, events=60, gap=0.012, flood=10_000, floods=1)


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        bar: What the value must not be above (or, if ``at_least``, below); None: shown only.
    """

    name: str
    value: float
    unit: str = ""
    bar: float | None = None
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Whether the bar holds."""
        if self.bar is None:
            return True
        return self.value >= self.bar if self.at_least else self.value <= self.bar


def measure(directory: Path, size: Size, parts: Sequence[str]) -> list[Figure]:
    """Run all measurements."""
    with stage(directory) as made:
        figures = throughput(made, size) if "throughput" in parts else []
        return (latency(made, size) if "latency" in parts else []) + figures


def latency(made: Stage, size: Size) -> list[Figure]:
    """The figures of all pipelines, which take turns."""
    made.add("bare", "bare")
    made.add("durable", "bare", "--durable")
    made.add("ours", "product", "1")
    made.add("history", "product", "1", "--full")
    made.wait_until_ready(*PIPELINES)
    turns = take_turns(made, size)
    for name in PIPELINES:
        made.end(name)
    return latencies(turns)


def take_turns(made: Stage, size: Size) -> list[dict[str, list[float]]]:
    """Each pipeline's latencies in milliseconds, sorted, round by round."""
    for name in PIPELINES:
        made.run(name, "probe", 20, gap=size.gap)  # starts the agent, and warms up
    rounds = []
    for number in range(size.rounds):
        order = PIPELINES if number % 2 else PIPELINES[::-1]
        samples = {name: made.run(name, "probe", size.events, gap=size.gap) for name in order}
        rounds.append({name: milliseconds(samples[name]) for name in PIPELINES})
    return rounds


def latencies(rounds: Sequence[dict[str, list[float]]]) -> list[Figure]:
    """The figures of (a) and (b); a ratio is the median of the rounds' ratios."""

    def at(name: str, part: float) -> float:
        return median(quantile(each[name], part) for each in rounds)

    def ratio(name: str, to: str, part: float) -> float:
        return median(quantile(each[name], part) / quantile(each[to], part) for each in rounds)

    figures = [
        Figure("latency, ours / bare, p50", ratio("ours", "bare", 0.5), "x", bar=6.0),
        Figure("latency, ours / bare, p99", ratio("ours", "bare", 0.99), "x", bar=6.0),
        Figure("latency, ours / bare with a journal, p50", ratio("ours", "durable", 0.5), "x"),
        Figure(
            "latency, 100,000 events in the journal / empty, p50", ratio("history", "ours", 0.5), "x", bar=1.2
        ),
        Figure("latency, 100,000 events in the journal / empty, p99", ratio("history", "ours", 0.99), "x"),
    ]
    for name in PIPELINES:
        figures += [
            Figure(f"{name}, {label}", at(name, part), "ms") for label, part in (("p50", 0.5), ("p99", 0.99))
        ]
    return figures


def throughput(made: Stage, size: Size) -> list[Figure]:
    """The figures of (c): events a second from the first one's sending to the last one's arrival."""
    rates = []
    for number in range(size.floods):
        name = f"flood-{number}"
        made.add(name, "product", str(AGENTS))
        made.wait_until_ready(name)
        made.run(name, "flood", AGENTS, agents=AGENTS)  # starts the agents
        samples = made.run(name, "flood", size.flood, agents=AGENTS)
        rates.append(size.flood / ((max(arrived for _, arrived in samples) - samples[0][0]) / 1e9))
        said = made.end(name)
        if said != {"abandoned": [], "messages": size.flood + AGENTS, "handed": size.flood + AGENTS}:
            raise RuntimeError(f"the journal doesn't hold what has arrived: {said}")
    return [Figure(f"durable events into {AGENTS} agents", median(rates), "/s", bar=5000, at_least=True)]


def milliseconds(samples: Samples) -> list[float]:
    """How long each took, sorted."""
    return sorted((arrived - sent) / 1e6 for sent, arrived in samples)


def quantile(values: Sequence[float], part: float) -> float:
    """The value at this part of the sorted values."""
    return values[min(len(values) - 1, int(len(values) * part))]


def machine() -> str:
    """What it ran on."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"


def show(figures: Sequence[Figure]) -> None:
    """Print the table."""
    print(machine())
    for each in figures:
        sign = ">=" if each.at_least else "<="
        bar = "" if each.bar is None else f"{sign} {each.bar:<8,g} {'holds' if each.holds else 'FAILS'}"
        digits = 0 if each.unit == "/s" else 2
        print(f"{each.name:<52}{each.value:>10,.{digits}f} {each.unit:<3} {bar}".rstrip())


def main() -> int:
    """Measure and show; whether a bar failed."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a third of the time, and less exact")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="what to measure (default: all)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        figures = measure(Path(directory), QUICK if options.quick else WHOLE, options.parts or PARTS)
    if options.json:
        rows = [asdict(each) | {"holds": each.holds} for each in figures]
        print(json.dumps({"machine": machine(), "figures": rows}, indent=2))
    else:
        show(figures)
    return 0 if all(each.holds for each in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
