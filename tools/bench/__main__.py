"""Measure the coordinator against the simplest pipeline that could do its work.

All figures come from one run in which the pipelines take turns. So their ratios are valid on any machine, but the
absolute figures are not. Exit codes: 0 all limits hold; 1 one doesn't. See docs/explanation/performance.md.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from tools.bench import many
from tools.bench.run import BenchRun, Samples, running
from tools.common import machine

AGENTS = 20
PARTS = ("latency", "throughput")
BY_HAND = "many"
"""The part that is measured only where it is named, since it takes a whole machine for minutes."""
PIPELINES = {
    "bare": "bare",
    "durable": "bare, with one commit an event",
    "ours": "the coordinator",
    "history": "the coordinator, 100,000 events in its journal",
}
GAP = 0.01
"""Seconds between two probes, enough for a pipeline to be idle again before its next one."""


@dataclass(frozen=True)
class BenchSize:
    """The size of a benchmark.

    Attributes:
        rounds: Rounds of probes; a ratio is the median of the rounds' ratios.
        probes: Probes of each pipeline in a round.
        floods: Measurements of the throughput; the best counts, because other programs can only lower it.
        flood: Events in each flood.
    """

    rounds: int
    probes: int
    floods: int
    flood: int


WHOLE = BenchSize(rounds=5, probes=200, floods=3, flood=20_000)
QUICK = BenchSize(rounds=3, probes=100, floods=2, flood=10_000)


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        bar: The greatest value (the least, if ``at_least``) that is accepted; None for no limit.
    """

    name: str
    value: float
    unit: str
    bar: float | None = None
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """True if the value keeps to the bar."""
        if self.bar is None:
            return True
        return self.value >= self.bar if self.at_least else self.value <= self.bar


def measure(directory: Path, size: BenchSize, parts: Sequence[str]) -> list[Figure]:
    """Run the measurements, with all their files in the directory."""
    figures: list[Figure] = []
    with running(directory) as run:
        if "latency" in parts:
            figures += latency(run, size)
        if "throughput" in parts:
            figures.append(throughput(run, size))
    return figures


def many_agents(directory: Path, agents: int) -> list[Figure]:
    """Measure a coordinator with this many idle agents."""
    found = many.measure(directory, agents)
    before, idle = found.before, found.idle
    return [
        Figure("starting the agents", found.start, "s"),
        Figure("memory without agents", before.memory / 1e6, "MB"),
        Figure("memory of an idle agent", (idle.memory - before.memory) / 1e3 / agents, "kB"),
        Figure("descriptors of an idle agent", (idle.descriptors - before.descriptors) / agents, "", bar=4.5),
        Figure("threads of an idle agent", (idle.threads - before.threads) / agents, "", bar=1.5),
        Figure("processor time while all are idle, of a core", 100 * found.cpu, "%"),
        Figure("fan from one completion to all agents", found.fan, "s"),
        Figure("orderly stop", found.stop, "s", bar=10.0),
        Figure("its exit code", found.code, "", bar=0.0),
        Figure("processes of agents that were left", found.left, "", bar=0.0),
    ]


def latency(run: BenchRun, size: BenchSize) -> list[Figure]:
    """Measure the time from ``subtask.completed`` on the socket to the whole context in the dependent's agent."""
    run.add("bare", "bare")
    run.add("durable", "bare", "--durable")
    run.add("ours", "product", "1")
    run.add("history", "product", "1", "--full")
    run.wait_until_ready(*PIPELINES)
    names = list(PIPELINES)
    run.probe(names, 20, GAP)  # start the agents, and warm up
    rounds = [run.probe(names, size.probes, GAP) for _ in range(size.rounds)]
    for name in names:
        run.end(name)
    return compare([{name: milliseconds(samples) for name, samples in each.items()} for each in rounds])


def compare(rounds: Sequence[dict[str, list[float]]]) -> list[Figure]:
    """Return the ratios, and the absolute figures behind them."""

    def ratio(name: str, to: str, part: float) -> float:
        return median(quantile(each[name], part) / quantile(each[to], part) for each in rounds)

    figures = [
        Figure("latency p50, coordinator / bare", ratio("ours", "bare", 0.5), "x", bar=6.0),
        Figure("latency p99, coordinator / bare", ratio("ours", "bare", 0.99), "x"),
        Figure("latency p50, coordinator / bare with a commit", ratio("ours", "durable", 0.5), "x", bar=2.5),
        Figure("latency p99, coordinator / bare with a commit", ratio("ours", "durable", 0.99), "x", bar=4.0),
        Figure("latency p50, 100,000 events / empty journal", ratio("history", "ours", 0.5), "x", bar=1.2),
        Figure("latency p99, 100,000 events / empty journal", ratio("history", "ours", 0.99), "x"),
    ]
    for name, words in PIPELINES.items():
        for label, part in (("p50", 0.5), ("p99", 0.99)):
            value = median(quantile(each[name], part) for each in rounds)
            figures.append(Figure(f"{label}, {words}", value, "ms"))
    return figures


def throughput(run: BenchRun, size: BenchSize) -> Figure:
    """Measure journaled events per second, from sending the first to the arrival of the last."""
    rates = [one_flood(run, f"flood-{number}", size.flood) for number in range(size.floods)]
    return Figure(f"durable events into {AGENTS} agents", max(rates), "/s", bar=5000, at_least=True)


def one_flood(run: BenchRun, name: str, count: int) -> float:
    """Measure events per second in a new coordinator.

    Raises:
        RuntimeError: The journal doesn't match the arrivals.
    """
    run.add(name, "product", str(AGENTS))
    run.wait_until_ready(name)
    run.flood(name, AGENTS, AGENTS)  # start the agents
    samples = run.flood(name, count, AGENTS)
    said = run.end(name)
    if said != {"abandoned": [], "messages": count + AGENTS, "handed": count + AGENTS}:
        raise RuntimeError(f"the journal doesn't match the arrivals: {said}")
    return count / ((max(arrived for _, arrived in samples) - samples[0][0]) / 1e9)


def milliseconds(samples: Samples) -> list[float]:
    """Return the duration of each sample, sorted."""
    return sorted((arrived - sent) / 1e6 for sent, arrived in samples)


def quantile(values: Sequence[float], part: float) -> float:
    """Return the quantile of sorted values."""
    return values[min(len(values) - 1, int(len(values) * part))]


def show(where: str, figures: Sequence[Figure]) -> None:
    """Print the table."""
    print(where)
    for each in figures:
        sign, verdict = (">=" if each.at_least else "<="), ("holds" if each.holds else "FAILS")
        bar = "" if each.bar is None else f"{sign} {each.bar:,g}".ljust(10) + verdict
        digits = 0 if each.unit == "/s" else 2
        print(f"{each.name:<56}{each.value:>8,.{digits}f} {each.unit:<4}{bar}".rstrip())


def main() -> int:
    """Measure, print the figures, and return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument(
        "parts", nargs="*", help=f"parts to measure: {', '.join(PARTS)} (default: both), or {BY_HAND} alone"
    )
    parser.add_argument("--agents", type=int, default=1000, help=f"idle agents for {BY_HAND} (default: 1000)")
    parser.add_argument(
        "--quick", action="store_true", help="take a third of the time, with less exact figures"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    is_many = options.parts == [BY_HAND]
    if not is_many and not set(options.parts) <= set(PARTS):
        parser.error(f"there is only {' and '.join(PARTS)}, or {BY_HAND} alone")
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(143))  # clean up, as Ctrl-C does
    where = f"{machine.describe()}, load {os.getloadavg()[0]:.1f}"
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        if is_many:
            figures = many_agents(Path(directory), options.agents)
        else:
            figures = measure(Path(directory), QUICK if options.quick else WHOLE, options.parts or PARTS)
    if options.json:
        rows = [asdict(each) | {"holds": each.holds} for each in figures]
        print(json.dumps({"machine": where, "figures": rows}, indent=2))
    else:
        show(where, figures)
    return 0 if all(each.holds for each in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
