"""The report of a run, as text, Markdown or JSON."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

from tools.chaos.recovery import Recovery
from tools.chaos.run import ChaosResult
from tools.chaos.verdict import KINDS
from tools.common import machine

SHOWN = 40
"""Number of findings that are printed; the directory holds the rest."""
Line = tuple[str, str]


def counts(outcome: ChaosResult) -> dict[str, int]:
    """Count the findings of each kind."""
    found = Counter(finding.kind for finding in outcome.findings)
    return {kind: found[kind] for kind in KINDS}


def figures(outcome: ChaosResult) -> Iterator[Line]:
    """Yield the run's figures."""
    found, given = outcome.found, outcome.given
    deliveries = Counter(each["state"] for each in found.deliveries)
    yield "duration", f"{outcome.seconds:.0f} s, of it {outcome.settled_after:.1f} s until all was done"
    yield "workflows / subtasks", f"{len(given.workflows)} / {len(given.steps)}"
    yield "messages to agents", str(len(given.certain) + len(given.perhaps))
    yield "events in the journal", str(len(found.events))
    yield (
        "contexts delivered",
        f"{deliveries['completed']} ({deliveries['withdrawn']} withdrawn before they left)",
    )
    yield "publications", str(len(found.publications))
    yield "kills", str(len(outcome.kills))
    yield "written more than once", str(sum(each["attempts"] > 1 for each in found.deliveries))
    yield "known from the transcript", str(sum(each["receipt"] == "transcript" for each in found.deliveries))
    yield "turns cut off and continued", str(found.continued)
    behind = [step for step in given.steps.values() if step.background]
    woken = sum(found.nodes.get(step.id, {}).get("summary") == step.summary for step in behind)
    yield "done in the background", f"{len(behind)} ({woken} completed by the turn that its end began)"
    again = sum(event["kind"] == "subtask.given_again" for event in found.events)
    yield "given again, conversation gone", f"{again} (of {len(found.cleaned)} transcripts cleaned away)"
    yield "retried by a person", str(outcome.retried)
    yield "tries to get the backend's port", str(outcome.thefts)
    yield "gave up, was started again", str(outcome.exits.get("coordinator 70", 0))
    yield "longest pause", f"{max(_pauses(outcome), default=0.0):.1f} s"
    for kind, count in counts(outcome).items():
        yield kind, str(count)


def _pauses(outcome: ChaosResult) -> list[float]:
    stamps = outcome.found.stamps
    return [after - before for before, after in pairwise(stamps)]


def show(outcome: ChaosResult, seed: str) -> None:
    """Print the report for people."""
    print(f"seed {seed}; {machine.describe()}")
    for name, value in figures(outcome):
        print(f"{name:<36}{value}")
    print(f"\n{'seconds from a kill until':<36}{'kills':>6}{'p50':>8}{'p99':>8}{'max':>8}")
    for each in outcome.recoveries:
        print(f"{each.kind:<36}{each.kills:>6}{_times(each)}  {each.sign}")
    for finding in outcome.findings[:SHOWN]:
        print(f"{finding.kind}: {finding.text}", file=sys.stderr)
    if any(outcome.left.values()):
        print(f"left undone: {outcome.left}", file=sys.stderr)


def _times(each: Recovery) -> str:
    if not each.times:
        return f"{'-':>8}" * 3
    return "".join(f"{value:>8.2f}" for value in (each.quantile(0.5), each.quantile(0.99), each.times[-1]))


def show_markdown(outcome: ChaosResult, seed: str) -> None:
    """Print the report for docs/explanation/reliability.md."""
    print(f"Seed {seed}; {machine.describe()}.\n\n| what | figure |\n|---|---|")
    for name, value in figures(outcome):
        print(f"| {name} | {value} |")
    print("\n| killed | times | until | p50 | p99 | max |\n|---|---|---|---|---|---|")
    for each in outcome.recoveries:
        times = [each.quantile(0.5), each.quantile(0.99), each.times[-1]] if each.times else []
        cells = " | ".join(f"{value:.2f} s" for value in times) or "- | - | -"
        print(f"| {each.kind} | {each.kills} | {each.sign} | {cells} |")


def show_json(outcome: ChaosResult, seed: str) -> None:
    """Print the report for programs."""
    print(
        json.dumps(
            {
                "seed": seed,
                "machine": machine.describe(),
                **counts(outcome),
                "figures": dict(figures(outcome)),
                "kills": Counter(each.kind for each in outcome.kills),
                "exits": outcome.exits,
                "left": outcome.left,
                "findings": [finding._asdict() for finding in outcome.findings],
                "recovery": [_row(each) for each in outcome.recoveries],
            },
            indent=2,
        )
    )


def _row(each: Recovery) -> dict[str, object]:
    parts = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    times = {name: each.quantile(part) for name, part in parts.items()} if each.times else {}
    return {"kind": each.kind, "kills": each.kills, "measured": len(each.times), "until": each.sign, **times}


SHOW = {"text": show, "markdown": show_markdown, "json": show_json}


def is_clean(outcome: ChaosResult) -> bool:
    """Tell whether nothing was lost, doubled, reordered or wrong, and all work was finished."""
    return not outcome.findings and not any(outcome.left.values())
