"""Delivery steps: one complete row for each commit, and a bounded number of rows."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from actors.journal.journal import PAGE, Journal
from actors.journal.tables.steps import EVERY, FIELDS, KEPT
from actors.protocol.deliveries import Delivery, DeliveryKind, DeliveryState, DeliveryStep
from tests.actors.journal.test_batching import stored
from tests.actors.journal.test_journal import spoil

DELIVERY = Delivery(id="D", agent="coder", kind=DeliveryKind.TASK_READY, subtask_id="S")


def written(journal: Journal, at: float) -> None:
    journal.steps.add(DELIVERY, DeliveryStep(delivery_id="D", state=DeliveryState.WRITTEN, attempts=1), at)


def read(journal: Journal, after: int = 0, limit: int = 10) -> list[tuple[int, list[dict[str, Any]]]]:
    return [
        (number, [named(step) for step in orjson.loads(document)])
        for number, document in journal.steps.after(after, limit)
    ]


def named(step: list[Any]) -> dict[str, Any]:
    """A step's values by their names, but for those that are unknown."""
    return {name: value for name, value in zip(FIELDS, step, strict=True) if value is not None}


def test_the_steps_of_a_commit_are_one_row_in_their_order(journal: Journal) -> None:
    message = Delivery(id="M", agent="tester", kind=DeliveryKind.MESSAGE)
    dead = DeliveryStep(delivery_id="M", state=DeliveryState.DEAD, receipt="none", reason="no receipt")
    journal.steps.add_queued(DELIVERY, 1.0)
    journal.steps.add_queued(message, 1.0)
    written(journal, 2.0)
    journal.steps.add(message, dead, 3.0)
    journal.commit()
    task = {"delivery_id": "D", "agent": "coder", "kind": "task_ready", "subtask_id": "S"}
    word = {"delivery_id": "M", "agent": "tester", "kind": "message"}
    assert read(journal) == [
        (1, [
            {"at": 1.0, **task, "state": "queued"},
            {"at": 1.0, **word, "state": "queued"},
            {"at": 2.0, **task, "state": "written", "attempts": 1},
            {"at": 3.0, **word, "state": "dead", "receipt": "none", "reason": "no receipt"},
        ])
    ]  # fmt: skip


def test_a_commit_without_steps_has_no_row(journal: Journal, path: Path) -> None:
    written(journal, 1.0)
    journal.commit()
    journal.put("something", "else")
    journal.commit()
    written(journal, 2.0)
    journal.commit()
    assert [number for number, _ in read(journal)] == [1, 2]
    assert journal.steps.last == 2
    assert stored(path, "SELECT number FROM steps") == [(1,), (2,)]


def test_nobody_sees_a_part_of_a_commit_and_what_is_not_committed_is_forgotten(path: Path) -> None:
    journal = Journal(path)
    written(journal, 1.0)
    assert read(journal) == []
    assert journal.steps.last == 0
    journal.close()
    again = Journal(path)
    assert again.steps.last == 0
    written(again, 2.0)
    again.commit()
    assert [[step["at"] for step in steps] for _, steps in read(again)] == [[2.0]]
    again.close()


def test_a_page_ends_with_its_last_row_or_with_the_one_that_is_too_much(journal: Journal) -> None:
    for at in range(5):
        written(journal, float(at))
        journal.commit()
    size = len(journal.steps.after(0, 1)[0][1])
    assert [number for number, _ in journal.steps.after(1, 3)] == [2, 3, 4]
    assert [number for number, _ in journal.steps.after(1, 10, size + 1)] == [2, 3]
    assert journal.steps.after(5, 10) == []


def test_only_the_newest_rows_are_kept(path: Path) -> None:
    Journal(path).close()
    journal = Journal(path)
    last = KEPT + EVERY - 1
    journal.execute(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
        " INSERT INTO steps SELECT i, '[]' FROM n",
        (last,),
    )
    journal.commit()
    journal.close()
    journal = Journal(path)
    assert journal.steps.last == last
    written(journal, 1.0)
    journal.commit()
    journal.close()
    assert stored(path, "SELECT min(number), max(number), count(*) FROM steps") == [
        (EVERY + 1, last + 1, KEPT)
    ]


@pytest.mark.expected_errors("journal_damaged")
def test_they_are_salvaged_and_what_comes_later_is_numbered_behind_what_may_have_been_sent(
    path: Path,
) -> None:
    journal = Journal(path)
    written(journal, 1.0)
    journal.commit()
    journal.execute("INSERT INTO steps VALUES (2, 'no JSON')")
    journal.commit()
    journal.close()
    spoil(path)
    again = Journal(path)
    assert again.steps.last == 1 + PAGE
    written(again, 2.0)
    again.commit()
    assert [number for number, _ in read(again)] == [1, 2 + PAGE]
    again.close()
