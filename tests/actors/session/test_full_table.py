"""Tests of a full table of descriptors: reads and writes wait, and a working claude isn't ended for it."""

import errno
import os
from pathlib import Path
from typing import NoReturn

import psutil
import pytest

from actors.protocol.sessions import SessionState
from actors.session import actor
from actors.session.drive import Past
from actors.session.drives.stream import drive
from actors.session.drives.stream.transcript import read_transcript
from tests.actors.session.stage import Stage
from tests.contract.messages import message, say


def full(*_: object, **__: object) -> NoReturn:
    """Fail to open, as with a full table of descriptors."""
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


def test_a_transcript_that_cannot_be_read_now_is_asked_later(
    scripted: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # Given: a message that was lost, and a table that is full when its receipt is overdue.
    reads, read = [0], read_transcript

    def read_if_there_is_room(path: Path | None) -> Past:
        reads[0] += 1
        return full() if reads[0] in (2, 3) else read(path)  # the first is that of the start

    monkeypatch.setattr(drive, "read_transcript", read_if_there_is_room)
    monkeypatch.setattr(actor, "RETRY_SECONDS", 0.01)
    scripted.start(faults={"lose_message": 1}, receipt_seconds=0.15)
    delivery = scripted.deliver(message(say("once")))
    # When: there is room again, then the very same claude is told, once.
    assert scripted.wait_turn().text == "once"
    scripted.wait_completed(delivery)
    assert scripted.told('"once"') == 1
    assert scripted.changes == ["starting", "working", "ready"]
    assert caplog.text.count("transcript_not_read") == 2


def test_after_a_crash_it_waits_until_leftovers_can_be_looked_for(
    scripted: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.start()
    scripted.deliver(message(say("one")))
    scripted.wait_turn()
    with monkeypatch.context() as patch:
        patch.setattr(psutil, "pids", full)
        scripted.kill()
        assert "signal 9" in scripted.wait_state(SessionState.CRASHED).detail
        assert "can't start claude" in scripted.wait_state(SessionState.CRASHED, 2).detail
    delivery = scripted.deliver(message(say("two")))
    scripted.wait_completed(delivery)


def test_a_stop_is_told_of_though_leftovers_cannot_be_looked_for(
    scripted: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    scripted.start()
    scripted.deliver(message(say("one")))
    scripted.wait_turn()
    with monkeypatch.context() as patch:
        patch.setattr(psutil, "pids", full)
        scripted.stop()
    assert scripted.wait_state(SessionState.STOPPED).pid is None
    assert "leftovers_not_looked_for" in caplog.text
    assert scripted.marked() == []
