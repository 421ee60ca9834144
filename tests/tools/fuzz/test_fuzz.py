"""Tests of fuzzing: no input raises, imitates the coordinator, or accumulates."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from actors.protocol.deliveries import Delivery, DeliveryKind
from actors.router import context
from actors.router.context import header, opening
from actors.session.drives.stream import parse
from tests.claude import ROOT
from tools.fuzz import run as run_module
from tools.fuzz.doors import Stream
from tools.fuzz.mutate import HEADER
from tools.fuzz.rules import BrokenError, check_delivery, check_text
from tools.fuzz.run import DOORS, run

COUNT = 5000
SECONDS = 120
"""Only a deadline: the number of inputs doesn't depend on it."""
pytestmark = pytest.mark.timeout(2 * SECONDS)


@pytest.mark.parametrize("seed", ["2026", secrets.token_hex(4)], ids=["fixed", "random"])
def test_nothing_breaks(seed: str) -> None:
    outcome = run(seed, COUNT)
    again = f"scripts/fuzz --seed {seed} --count {COUNT}"
    assert outcome.failure is None, again
    assert outcome.is_clean, again
    assert outcome.fed == COUNT
    # And the doors were opened, not only knocked at: of each kind some was of use, and some was not
    assert len(outcome.counts) == len(DOORS)
    for name, count in outcome.counts.items():
        assert 0 < count.rejected < count.fed, name


def test_the_same_seed_makes_the_same_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bytes] = []
    take = Stream.take

    def _note(door: Stream, raw: bytes) -> bool:
        made.append(raw)
        return take(door, raw)

    monkeypatch.setattr(Stream, "take", _note)
    monkeypatch.setattr(run_module, "DOORS", (Stream,))
    run("one", 200)
    first, made[:] = made[:], []
    run("one", 200)
    assert made == first
    made.clear()
    run("two", 200)
    assert made != first


def test_the_same_seed_repeats_a_run_exactly_also_in_another_process() -> None:
    one = run("one", 3000)
    assert one.digest
    assert run("one", 3000).digest == one.digest
    assert run("two", 3000).digest != one.digest
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": "7",
    }
    command = [sys.executable, "-m", "tools.fuzz", "--seed", "one", "--count", "3000", "--json"]
    done = subprocess.run(
        command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=True
    )
    assert json.loads(done.stdout)["digest"] == one.digest


# ---------------------------------------------------------------- what is broken is seen


@pytest.mark.parametrize(
    ("module", "name", "broken"),
    [
        (context, "quote", lambda text: text),
        (context, "clean", lambda text: text),
        (parse, "_number", float),
    ],
    ids=["not quoted", "not cleaned", "a wrong type"],
)
def test_a_fault_is_found_and_can_be_found_again(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, broken: Callable[..., Any]
) -> None:
    monkeypatch.setattr(module, name, broken)
    failures = [run("2026", COUNT).failure for _ in range(2)]
    assert failures[0] is not None
    assert failures[0] == failures[1]


@pytest.mark.alone  # memory that other tests have left would hide it
def test_what_is_kept_for_ever_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[bytes] = []
    take = Stream.take

    def _keep(door: Stream, raw: bytes) -> bool:
        kept.append(b"x" * 200_000)
        return take(door, raw)

    monkeypatch.setattr(run_module, "SIZE", 500)
    assert run("2026", 2000).is_clean
    monkeypatch.setattr(Stream, "take", _keep)
    outcome = run("2026", 2000)
    assert outcome.failure is None
    assert not outcome.is_clean


def _delivery(text: str) -> Delivery:
    first = header("id", DeliveryKind.MESSAGE, None)
    whole = f"{first}\n{opening(DeliveryKind.MESSAGE)}\n\nFrom somebody:\n{text}"
    return Delivery(id="id", agent="a", kind=DeliveryKind.MESSAGE, text=whole)


def test_what_is_quoted_may_say_anything() -> None:
    check_delivery(_delivery(f"> {HEADER}\n> ä😀\tx\n> "))


@pytest.mark.parametrize(
    "text", [HEADER, "words", f"> x\n{HEADER}", f"> x\r{HEADER}", "> \x1b[2J", "> \u202e", "> \x85"]
)
def test_what_is_not_quoted_or_hidden_is_seen(text: str) -> None:
    with pytest.raises(BrokenError):
        check_delivery(_delivery(text))


@pytest.mark.parametrize(
    "text", ["\x00", "\u2028", "\ud800", "\u061c", "\u206a", "\U000e0041", f"x\n{HEADER}"]
)
def test_a_text_with_something_hidden_is_seen(text: str) -> None:
    with pytest.raises(BrokenError):
        check_text(text)
