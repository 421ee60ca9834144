"""Tests of dead letters and rejected input: shown, retried and dropped on the command line."""

import json
import os
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.program import closed_environment, create, main, running, wait_for

pytestmark = pytest.mark.timeout(240)

DEAF = shlex.join([sys.executable, "-c", "import sys\nfor line in sys.stdin: pass"])
"""A claude that reads every message and answers nothing."""
ONE_STEP = """
- title: Design it
  agent: architect-agent
  details: Short.
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return closed_environment(tmp_path)


def letters(environment: dict[str, str]) -> list[dict[str, Any]]:
    shown = main(environment, "dead-letters", "--json")
    return [json.loads(line) for line in shown.stdout.splitlines()]


def test_a_dead_letter_is_shown_retried_and_dropped(environment: dict[str, str]) -> None:
    deaf = {"CLAUDE_COMMAND": DEAF, "RECEIPT_SECONDS": "0.1", "MAX_DELIVERY_ATTEMPTS": "2"}
    # Given an agent that acknowledges nothing, so that its subtask and a message for it die
    with running(environment | deaf) as process:
        create(environment, ONE_STEP)
        wait_for(environment, "delivery.dead")
        main(environment, "send", "architect-agent", "Are you there?")
        wait_for(environment, "delivery.dead", 3)  # for the message's sake the subtask was given again
        first, message, task = sorted(letters(environment), key=lambda each: each["queued_at"])
        assert [each["kind"] for each in (first, message, task)] == ["task_ready", "message", "task_ready"]
        assert {each["attempts"] for each in (first, message, task)} == {2}
        # When a person looks at them
        table = main(environment, "dead-letters").stdout
        assert "written" in table  # the receipts that it had
        assert "no receipt from claude after 2 attempts" in table
        whole = main(environment, "dead-letters", "show", message["id"][:8]).stdout
        assert "> Are you there?" in whole
        assert message["id"] in whole
        # And drops what is of no use any more
        for each in (first, message):
            dropped = main(environment, "drop", each["id"][:8])
            assert dropped.returncode == 0, dropped.stderr
        assert [each["id"] for each in letters(environment)] == [task["id"]]
        assert main(environment, "drop", message["id"]).returncode == 2
        process.terminate()
        process.wait(timeout=10)
    # Then the other goes on as soon as somebody hears it, under its own id
    with running(environment) as process:
        retried = main(environment, "retry", task["id"][:8])
        assert retried.returncode == 0, retried.stderr
        wait_for(environment, "subtask.completed")
        assert letters(environment) == []
        rows = map(json.loads, main(environment, "deliveries", "--json").stdout.splitlines())
        assert {row["id"]: row["state"] for row in rows}[task["id"]] == "completed"
        process.terminate()
        process.wait(timeout=10)
    assert main(environment, "dead-letters", "no-such-id").returncode == 2


def test_what_cannot_be_used_is_shown_whole(environment: dict[str, str]) -> None:
    with running(environment) as process:
        result = Path(environment["WORK_DIR"]) / "task_result_S1.json"
        beside = result.with_name("beside")
        beside.write_text('{"status": "completed", \x1b[31m"summary"}')
        os.rename(beside, result)  # noqa: PTH104 - whole at once
        wait_for(environment, "input.rejected")
        process.terminate()
        process.wait(timeout=10)
    (row,) = map(json.loads, main(environment, "rejected", "--json").stdout.splitlines())
    assert row["origin"] == "file"
    assert "task_result_S1.json" in main(environment, "rejected").stdout
    whole = main(environment, "rejected", str(row["number"])).stdout
    assert '{"status": "completed", ' in whole
    assert "\x1b" not in whole
    assert main(environment, "rejected", "999").returncode == 2
