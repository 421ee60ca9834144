"""The tiny claude: what it notes of what arrives, and what it answers."""

import json
import subprocess
from pathlib import Path

from tools.common import arrivals

ONE, TWO = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"


def message(uuid: str, text: str) -> str:
    """One line of its standard input."""
    return json.dumps({"type": "user", "uuid": uuid, "message": text}, separators=(",", ":")) + "\n"


def run(directory: Path, *lines: str) -> list[dict[str, str]]:
    """Have it read these lines; what it answers."""
    done = subprocess.run(
        arrivals.TINY_CLAUDE, env=arrivals.environment(directory), input="".join(lines),
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_it_notes_each_stamped_message_once_and_plays_through_all(tmp_path: Path) -> None:
    one = message(ONE, f"{arrivals.stamp(7, 'coder')} Begin.")
    said = run(tmp_path, one, message(TWO, "unstamped"), one)
    (noted,) = arrivals.read(tmp_path)
    assert (noted.number, noted.agent) == (7, "coder")
    assert noted.sent < noted.arrived
    assert arrivals.count(tmp_path) == 1
    finished = [each["command_uuid"] for each in said if each.get("state") == "completed"]
    assert finished == [ONE, TWO, ONE]
    assert said[-1]["type"] == "result"


def test_it_reads_nothing_before_its_gate_is_open(tmp_path: Path) -> None:
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


def test_a_line_that_is_just_being_written_does_not_count_yet(tmp_path: Path) -> None:
    (tmp_path / "1").write_text("1 coder 10 20\n2 coder 11 2")
    assert arrivals.read(tmp_path) == [arrivals.Arrival(1, "coder", 10, 20)]
