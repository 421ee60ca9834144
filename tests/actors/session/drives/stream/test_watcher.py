"""Tests of the thread that all processes share."""

import threading

import pytest

from actors.session.drives.stream.watcher import Watcher
from tests.actors.support import DEADLINE


def watchers() -> list[threading.Thread]:
    """Return the threads of watchers."""
    return [each for each in threading.enumerate() if each.name == "session-watcher"]


def test_all_share_one_from_the_first_to_the_last() -> None:
    first, second = Watcher.enter(), Watcher.enter()
    assert first is second
    (thread,) = watchers()
    first.leave()
    called = threading.Event()
    second.call(called.set)
    second.leave()
    thread.join(DEADLINE)
    assert called.is_set(), "what it was asked for is done"
    assert watchers() == []
    third = Watcher.enter()
    assert third is not first
    third.leave()


def test_without_a_thread_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", exhausted)
        with pytest.raises(OSError, match="Resource temporarily unavailable"):
            Watcher.enter()
    Watcher.enter().leave()


@pytest.mark.expected_errors("process_watch_failed")
def test_what_fails_for_one_is_logged_and_stops_no_other(caplog: pytest.LogCaptureFixture) -> None:
    watcher, called = Watcher.enter(), threading.Event()

    def fail() -> None:
        raise ValueError("of one process")

    watcher.call(fail)
    watcher.call(called.set)
    assert called.wait(DEADLINE)
    watcher.leave()
    assert "of one process" in caplog.text
