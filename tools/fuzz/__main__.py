"""The command line of scripts/fuzz."""

import argparse
import json
import logging
import secrets
import signal
import sys
from dataclasses import asdict

import structlog

from tools.fuzz.run import GROWTH, STILL_HELD, FuzzResult, run

MEBI = 1024 * 1024


def main() -> int:
    """Run once, print the result, and return the exit code."""
    given = options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(130))  # so that the files are removed
    # The parsers' error logs are not needed: errors are also in their results.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    if not given.json:
        print(f"seed {given.seed}", flush=True)
    outcome = run(given.seed, given.count, given.seconds, given.round)
    if given.json:
        print(json.dumps(asdict(outcome) | {"grew": outcome.grew, "clean": outcome.is_clean}, indent=2))
    else:
        show(outcome)
    return 0 if outcome.is_clean else 1


def options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/fuzz",
        description="Feed random and mutated input into every entry point of the product: the socket's bytes, result"
        " files, claude's stream and transcripts, the tools' arguments, prompts, plans, the embedded backend. The exit"
        " code is 0 only if nothing raised, no text broke the rules of quotation, the journal stayed intact and the"
        " memory bounded.",
    )
    parser.add_argument("--count", type=int, default=100_000, help="number of inputs (default 100000)")
    parser.add_argument("--seconds", type=float, help="stop after this many seconds, even before --count")
    parser.add_argument(
        "--seed", default=secrets.token_hex(4), help="seed; the same seed makes the same inputs"
    )
    parser.add_argument("--round", type=int, default=0, help="first round, to reproduce a failure")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args()
    if given.count < 1 or given.round < 0:
        parser.error("--count must be at least 1, --round at least 0")
    return given


def show(outcome: FuzzResult) -> None:
    """Print the result for people."""
    print(f"{'input':<16}{'fed':>10}{'rejected':>10}")
    for name, count in outcome.counts.items():
        print(f"{name:<16}{count.fed:>10,}{count.rejected:>10,}")
    rejected = sum(count.rejected for count in outcome.counts.values())
    print(f"{'all':<16}{outcome.fed:>10,}{rejected:>10,}")
    print(f"{outcome.seconds:.0f} s, {outcome.fed / outcome.seconds:,.0f}/s; digest {outcome.digest}")
    first, warm, last = outcome.memory[0] / MEBI, outcome.warm / MEBI, outcome.memory[-1] / MEBI
    print(f"memory: {first:.0f} MiB, warm {warm:.0f} MiB, at the end {last:.0f} MiB", end="")
    print(f"; grew by {outcome.grew / MEBI:.1f} MiB at most (limit {GROWTH / MEBI:.0f})")
    more = (outcome.held - outcome.memory[0]) / MEBI
    print(f"in use at the end: {outcome.held / MEBI:.0f} MiB, {more:+.1f} since the first round", end="")
    print(f" (limit {STILL_HELD / MEBI:.0f})")
    if (failure := outcome.failure) is not None:
        again = f"scripts/fuzz --seed {outcome.seed} --round {failure.round} --count 5000"
        print(f"BROKEN: {failure.what}", file=sys.stderr)
        print(f"seed {outcome.seed}, round {failure.round}, input {failure.number}: {again}", file=sys.stderr)
        print(f"{failure.where or 'found after the round'}: {failure.base64}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
