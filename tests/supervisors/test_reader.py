"""Tests of the reader: the messages put back at its end, and the precedence of signals."""

from __future__ import annotations

import pytest

from supervisors import Abandoned
from supervisors.mailbox import Mailbox, Suspect
from supervisors.reader import InjectedFault, Reader, Stop

DRILL = InjectedFault(RuntimeError("drill"))


def reading(*messages: object, size: int = 4, handled: int = 0) -> Reader:
    """Return a reader that has taken the messages and handled some."""
    mailbox = Mailbox("a")
    for message in messages:
        mailbox.put(message)
    reader = Reader(mailbox, 7)
    assert reader.next(size)
    reader.handled = handled
    return reader


def test_only_the_one_being_handled_is_to_blame() -> None:
    reader = reading(1, 2, 3, handled=1)
    assert reader.fence() == ([], [])
    assert list(reader.mailbox.items) == [Suspect(1), Suspect(2, (7,)), 3]


def test_a_drill_blames_nobody() -> None:
    reader = reading(1, 2, 3, handled=1)
    reader.send(DRILL)
    with pytest.raises(RuntimeError, match="drill"):
        reader.check()
    reader.fence()
    assert list(reader.mailbox.items) == [Suspect(1), 2, 3]


@pytest.mark.parametrize(("handled", "killed"), [(1, (7,)), (2, ())])
def test_a_failing_commit_blames_only_one_that_was_alone(handled: int, killed: tuple[int, ...]) -> None:
    reader = reading(*range(handled), handled=handled)
    reader.committing = True
    reader.fence()
    assert list(reader.mailbox.items) == [Suspect(number, killed) for number in range(handled)]


def test_a_settled_batch_is_not_put_back() -> None:
    reader = reading(1, 2, size=1, handled=1)
    reader.send(Stop())
    assert not reader.next(1)
    reader.fence()
    assert list(reader.mailbox.items) == [2]


def test_a_fenced_reader_commits_nothing() -> None:
    reader = reading(1, handled=1)
    reader.fence()
    with pytest.raises(Abandoned):
        reader.check()
    assert not reader.more(4)


def test_a_suspect_is_taken_alone() -> None:
    reader = reading(Suspect(1), 2, 3)
    assert reader.batch == [Suspect(1)]
    assert not reader.more(4)


@pytest.mark.parametrize(
    ("first", "second", "wins"),
    [
        (DRILL, Stop(1.0), Stop(1.0)),
        (Stop(1.0), DRILL, Stop(1.0)),
        (Stop(1.0), Stop(reason=DRILL.reason), Stop(1.0)),
        (Stop(reason=DRILL.reason), Stop(1.0), Stop(1.0)),
        (Stop(), Stop(1.0), Stop(1.0)),
    ],
)
def test_an_orderly_stop_wins(first: Stop | InjectedFault, second: Stop | InjectedFault, wins: Stop) -> None:
    reader = Reader(Mailbox("a"), 1)
    reader.send(first)
    reader.send(second)
    assert reader.signal == wins
