"""Tests of the tiny claude: its records of arrivals, and its answers."""

import json
import subprocess
from pathlib import Path

import pytest

from tools.common import arrivals

ONE, TWO = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"


def message(uuid: str, text: str) -> str:
    """Return one line of its standard input."""
    return json.dumps({"type": "user", "uuid": uuid, "message": text}, separators=(",", ":")) + "\n"


def run(directory: Path, *lines: str, once: bool = False) -> list[dict[str, str]]:
    """Let it read these lines, and return its answers."""
    done = subprocess.run(
        arrivals.TINY_CLAUDE, env=arrivals.environment(directory, once=once), input="".join(lines),
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(("once", "expected"), [(False, 2), (True, 1)])
def test_it_records_a_resent_message_again_unless_it_is_told_to_record_once(
    tmp_path: Path, *, once: bool, expected: int
) -> None:
    one = message(ONE, f"{arrivals.stamp(7, 'coder')} Begin.")
    said = run(tmp_path, one, message(TWO, "unstamped"), one, once=once)
    recorded = arrivals.read(tmp_path)
    assert [(each.number, each.agent) for each in recorded] == [(7, "coder")] * expected
    assert all(each.sent < each.arrived for each in recorded)
    assert arrivals.count(tmp_path) == expected
    finished = [each["command_uuid"] for each in said if each.get("state") == "completed"]
    assert finished == [ONE, TWO, ONE]
    assert said[-1]["type"] == "result"


def test_it_records_different_messages_with_one_number_each_time(tmp_path: Path) -> None:
    text = arrivals.stamp(7, "coder")
    run(tmp_path, message(ONE, text), message(TWO, text), once=True)
    assert arrivals.count(tmp_path) == 2


def test_it_reads_nothing_before_its_gate_exists(tmp_path: Path) -> None:
    gate, noted = tmp_path / "gate", tmp_path / "noted"
    noted.mkdir()
    with subprocess.Popen(
        arrivals.TINY_CLAUDE,
        env=arrivals.environment(noted, gate),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(message(ONE, arrivals.stamp(1, "coder")).encode())
        process.stdin.flush()
        assert list(noted.iterdir()) == []
        gate.touch()
        assert b'"init"' in process.stdout.readline()
        process.stdin.close()
    assert arrivals.count(noted) == 1


def test_an_incomplete_record_does_not_count_yet(tmp_path: Path) -> None:
    (tmp_path / "1").write_text("1 coder 10 20\n2 coder 11 2")
    assert arrivals.read(tmp_path) == [arrivals.Arrival(1, "coder", 10, 20)]
