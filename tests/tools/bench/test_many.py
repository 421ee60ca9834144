"""A test of the measurement of many agents, with a few."""

from pathlib import Path

from actors.lib.descriptors import EACH
from tools.bench.many import measure


def test_idle_agents_cost_what_is_promised_and_end_in_order(tmp_path: Path) -> None:
    agents, shared = 8, 6  # what all share: the watcher's descriptors, the timers' thread
    found = measure(tmp_path, agents, idle_seconds=0.5)
    assert found.idle.descriptors - found.before.descriptors <= agents * EACH + shared
    assert found.idle.threads - found.before.threads <= agents + shared
    assert found.fan > 0
    assert (found.code, found.left) == (0, 0)
    assert found.stop < 10
