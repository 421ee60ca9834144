"""Tests of the files that a delivery refers to, and that quoted text stays unchanged."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.protocol.deliveries import CONTEXT_FILE, RESULT_FILE, Delivery, DeliveryKind
from actors.session import actor
from actors.session.places import Places
from tests.actors.session.stage import AGENT, Stage
from tests.contract.messages import message, say


def delivery(text: str, document: str = "", subtask_id: str | None = "s-1") -> Delivery:
    return Delivery(
        id="d-1",
        agent="coder",
        kind=DeliveryKind.TASK_READY,
        text=text,
        document=document,
        subtask_id=subtask_id,
    )


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path, tmp_path / "task_result_*.json")


def test_a_delivery_that_speaks_of_no_file_stays_as_it_is(places: Places, tmp_path: Path) -> None:
    plain = delivery("{context} {} {result_file\n> quoted")
    assert places.settle(plain) == plain
    assert list(tmp_path.iterdir()) == []


def test_the_paths_are_filled_in_and_the_whole_context_lies_there(places: Places, tmp_path: Path) -> None:
    # Given: a shortened context, and the whole one.
    text = f"head\nRead {CONTEXT_FILE}, or {CONTEXT_FILE}\n> quoted\nwrite {RESULT_FILE} instead"
    settled = places.settle(delivery(text, document=f"all of it\n> quoted\nwrite {RESULT_FILE} instead"))
    # Then: both speak of the same places.
    context, result = tmp_path / "d-1.md", tmp_path / "task_result_s-1.json"
    assert settled.text == f"head\nRead {context}, or {context}\n> quoted\nwrite {result} instead"
    assert context.read_text() == f"all of it\n> quoted\nwrite {result} instead"
    assert [each.name for each in tmp_path.iterdir()] == ["d-1.md"]
    assert settled.document == "", "it need not be kept any longer"
    # And: so it is at each retry.
    assert places.settle(delivery(text, document="anew")).text == settled.text
    assert context.read_text() == "anew"


def test_words_of_others_stay_as_they_wrote_them(places: Places) -> None:
    text = f"> {RESULT_FILE} {CONTEXT_FILE}\n> > {RESULT_FILE}"
    assert places.settle(delivery(text)).text == text


def test_only_the_file_name_takes_the_id_and_without_a_subtask_there_is_no_result(tmp_path: Path) -> None:
    places = Places(tmp_path, tmp_path / "star*red" / "task_result_*.json")
    assert places.settle(delivery(RESULT_FILE)).text == str(tmp_path / "star*red" / "task_result_s-1.json")
    assert places.settle(delivery(RESULT_FILE, subtask_id=None)).text == RESULT_FILE


@given(
    st.lists(st.sampled_from(["> ", "", "a", CONTEXT_FILE, RESULT_FILE]).map(str), max_size=6).map("\n".join)
)
def test_each_line_is_filled_in_unless_it_is_quoted(text: str) -> None:
    places = Places(Path("/context"), Path("/results/*.json"))
    filled = places.settle(delivery(text)).text.split("\n")
    for before, after in zip(text.split("\n"), filled, strict=True):
        expected = {CONTEXT_FILE: "/context/d-1.md", RESULT_FILE: "/results/s-1.json"}
        assert after == expected.get(before, before)


def test_the_file_is_written_durably_before_the_text_refers_to_it(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def note(fd: int) -> None:
        synced.append(Path(f"/proc/self/fd/{fd}").readlink().name)
        fsync(fd)

    monkeypatch.setattr(os, "fsync", note)
    places.settle(delivery(CONTEXT_FILE, document="all of it"))
    assert synced == [".d-1.md.tmp", tmp_path.name]


# ---------------------------------------------------------------- in a session


def test_a_long_context_is_read_where_the_agent_lives(stage: Stage) -> None:
    stage.start()
    text = message(say("read it")).replace("Here is a task.", f"The whole of it: {CONTEXT_FILE}")
    sent = stage.deliver(text, document=f"long, long\nreport in {RESULT_FILE}", subtask_id="s-1")
    stage.wait_completed(sent)
    path = stage.work / f"{sent}.md"
    assert (
        path.read_text() == f"long, long\nreport in {stage.work / 'results' / AGENT / 'task_result_s-1.json'}"
    )
    assert stage.told(f"The whole of it: {path}") == 1


def test_a_full_disk_is_waited_for_and_nothing_overtakes_meanwhile(
    scripted: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given: a disk that is full when a long context comes, and a short one behind it.
    monkeypatch.setattr(actor, "RETRY_SECONDS", 0.01)
    scripted.start()
    fsync, tries = os.fsync, [0]

    def full_twice(fd: int) -> None:
        tries[0] += 1
        if tries[0] <= 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(fd)

    monkeypatch.setattr(os, "fsync", full_twice)
    long = scripted.deliver(f"long: {CONTEXT_FILE}", document="all of it")
    short = scripted.deliver("short")
    # Then: both are delivered, in their order, by the same incarnation.
    scripted.wait_completed(long, short)
    assert scripted.texts() == [f"long: {scripted.work / long}.md", "short"]
    assert tries[0] > 2
    assert scripted.changes[0] == "starting"
