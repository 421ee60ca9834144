"""Gathered rows: written once at the commit, seen by every read before it, and numbered in order."""

import sqlite3
from pathlib import Path
from typing import Any
from uuid import uuid4

from actors.journal.journal import Journal
from actors.protocol.deliveries import Delivery, DeliveryKind, DeliveryState, DeliveryStep


def new_delivery(text: str = "") -> Delivery:
    return Delivery(id=str(uuid4()), agent="coding-agent", kind=DeliveryKind.MESSAGE, text=text)


def step(delivery: Delivery, state: DeliveryState, **values: Any) -> DeliveryStep:
    return DeliveryStep(delivery_id=delivery.id, state=state, **values)


def stored(path: Path, statement: str) -> list[tuple[Any, ...]]:
    """Return the rows that another connection finds in the file."""
    other = sqlite3.connect(path)
    try:
        return other.execute(statement).fetchall()
    finally:
        other.close()


def test_a_delivery_is_there_after_the_commit_and_not_before(journal: Journal, path: Path) -> None:
    text = "quotes ' \" and a ☕, a tab\t and a line\nbreak"
    delivery = new_delivery(text)
    journal.deliveries.add(delivery, 1.5)
    journal.deliveries.hand_over(delivery, 2.5)
    assert stored(path, "SELECT count(*) FROM deliveries") == [(0,)]
    journal.commit()
    assert stored(path, "SELECT number, text, state, attempts, queued_at, handed_at FROM deliveries") == [
        (1, text, "queued", 0, 1.5, 2.5)
    ]


def test_steps_of_one_transaction_become_one_row_and_lose_nothing(journal: Journal, path: Path) -> None:
    delivery = new_delivery()
    journal.deliveries.add(delivery, 1.0)
    journal.commit()
    journal.deliveries.step(step(delivery, DeliveryState.WRITTEN, attempts=2), 2.0)
    journal.deliveries.step(step(delivery, DeliveryState.ACCEPTED, receipt="lifecycle:queued"), 3.0)
    journal.deliveries.step(step(delivery, DeliveryState.DEAD, reason="no receipt"), 4.0)
    journal.commit()
    assert stored(
        path, "SELECT state, attempts, receipt, reason, written_at, accepted_at, completed_at FROM deliveries"
    ) == [("dead", 2, "lifecycle:queued", "no receipt", 2.0, 3.0, 4.0)]


def test_every_look_at_the_table_sees_what_was_gathered(journal: Journal) -> None:
    first, second = new_delivery("first"), new_delivery("second")
    journal.deliveries.add(first, 1.0)
    journal.deliveries.add(second, 1.0)
    journal.deliveries.hand_over(first, 2.0)
    assert [each.text for _, each in journal.deliveries.handed("coding-agent")] == ["first"]
    waiting = journal.deliveries.waiting("coding-agent", assigning=False, after=0, limit=10)
    assert [(number, each.text) for number, each in waiting] == [(2, "second")]


def test_what_was_not_committed_is_forgotten_with_its_number(path: Path) -> None:
    lost = Journal(path)
    lost.deliveries.add(new_delivery("lost"), 1.0)
    lost.events.add(at=1.0, source="backend", kind="k", subject=None, agent=None, key=None, document=b"{}")
    lost.close()
    journal = Journal(path)
    assert journal.deliveries.add(new_delivery("kept"), 2.0) == 1
    journal.commit()
    journal.close()
    assert stored(path, "SELECT text FROM deliveries") == [("kept",)]
    assert stored(path, "SELECT count(*) FROM events") == [(0,)]


def test_a_dead_letter_that_is_queued_again_and_a_new_delivery_never_get_one_number(
    journal: Journal, path: Path
) -> None:
    dead = new_delivery("dead")
    journal.deliveries.add(dead, 1.0)
    journal.deliveries.hand_over(dead, 1.0)
    journal.deliveries.step(step(dead, DeliveryState.DEAD, reason="no receipt"), 2.0)
    journal.deliveries.add(new_delivery("second"), 2.0)
    assert journal.deliveries.requeue(dead.id)[0] == 3
    assert journal.deliveries.add(new_delivery("third"), 3.0) == 4
    journal.commit()
    assert stored(path, "SELECT number, text FROM deliveries ORDER BY number") == [
        (2, "second"),
        (3, "dead"),
        (4, "third"),
    ]


def test_events_with_and_without_a_key_are_numbered_in_order_and_a_known_key_takes_no_number(
    journal: Journal,
) -> None:
    def add(key: str | None, kind: str) -> int | None:
        return journal.events.add(
            at=1.0,
            source="backend",
            kind=kind,
            subject=None,
            agent=None,
            key=key,
            document=b'{"a":"\xc3\xa9"}',
        )

    assert [add("k1", "one"), add(None, "two"), add("k1", "again"), add(None, "three"), add("k2", "four")] == [
        1, 2, None, 3, 4,
    ]  # fmt: skip
    found = journal.events.after(0, 10)
    assert [(row[0], row[3]) for row in found] == [(1, "one"), (2, "two"), (3, "three"), (4, "four")]
    assert {row[6] for row in found} == {b'{"a":"\xc3\xa9"}'}, "bytes, whichever way it was written"


def test_of_an_agent_the_last_state_counts_and_what_is_empty_becomes_null(
    journal: Journal, path: Path
) -> None:
    journal.agents.add("coding-agent", "session", 1.0)
    journal.agents.set_state("coding-agent", "working", "a detail", 17, 2.0)
    journal.agents.set_hand("coding-agent", "S-1", 1)
    journal.commit()
    journal.agents.set_state("coding-agent", "working", "", 17, 3.0)
    journal.agents.set_state("coding-agent", "stopped", "", None, 4.0)
    journal.agents.set_hand("coding-agent", None, 0)
    journal.agents.set_cost("coding-agent", 0.25)
    journal.commit()
    assert stored(path, "SELECT state, detail, pid, since, in_hand, reminders, cost_usd FROM agents") == [
        ("stopped", "", None, 4.0, None, 0, 0.25)
    ]


def test_the_document_of_an_assignment_is_written_as_it_is_handed_over(journal: Journal, path: Path) -> None:
    delivery = new_delivery().model_copy(update={"kind": DeliveryKind.TASK_READY})
    journal.deliveries.add(delivery, 1.0)
    journal.commit()
    whole = delivery.model_copy(update={"text": "short", "document": "short, but told at length"})
    journal.deliveries.hand_over(whole, 2.0)
    assert journal.deliveries.document(delivery.id) == "short, but told at length"
    journal.commit()
    assert stored(path, "SELECT text, document FROM deliveries") == [("short", "short, but told at length")]
    # And one that fits when it is handed over again has none
    journal.deliveries.hand_over(whole.model_copy(update={"document": ""}), 3.0)
    journal.commit()
    assert stored(path, "SELECT document FROM deliveries") == [("",)]


def test_words_keep_the_document_that_they_were_queued_with(journal: Journal, path: Path) -> None:
    words = new_delivery().model_copy(
        update={"kind": DeliveryKind.MESSAGE, "text": "short", "document": "long"}
    )
    journal.deliveries.add(words, 1.0)
    journal.deliveries.hand_over(words.model_copy(update={"document": ""}), 2.0)
    journal.commit()
    assert stored(path, "SELECT text, document FROM deliveries") == [("short", "long")]
    (found,) = [each for _, each in journal.deliveries.handed("coding-agent")]
    assert found.document == "", "only who needs it reads it"
    assert journal.deliveries.document(words.id) == "long"


def test_one_that_was_withdrawn_is_neither_open_nor_a_dead_letter(journal: Journal, path: Path) -> None:
    delivery = new_delivery("withdrawn")
    journal.deliveries.add(delivery, 1.0)
    journal.deliveries.step(step(delivery, DeliveryState.WITHDRAWN, reason="it was cancelled"), 2.0)
    journal.commit()
    assert stored(path, "SELECT state, reason, completed_at FROM deliveries") == [
        ("withdrawn", "it was cancelled", 2.0)
    ]
    assert journal.deliveries.agents() == []
    assert journal.deliveries.find_dead(delivery.id) == []
