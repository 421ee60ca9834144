"""Pages of the event history: read once, and the same for all subscribers."""

from contextlib import closing
from pathlib import Path

import orjson
import pytest

from actors.journal import history as history_module
from actors.journal.history import EventHistory
from actors.journal.journal import Journal
from actors.journal.reader import JournalReader
from actors.protocol.backend import InputRejected


def numbers(page: tuple[tuple[bytes, ...], int]) -> list[int]:
    return [orjson.loads(line)["number"] for line in page[0]]


def test_a_second_subscriber_at_the_same_place_is_given_the_same_page(journal: Journal) -> None:
    history = EventHistory(journal)
    history.note(1.0, "one", None, None)
    first = history.page_after(0)
    assert history.page_after(0)[0] is first[0]
    assert first[1] == 1


def test_a_page_with_room_left_is_read_again_when_there_is_more(journal: Journal) -> None:
    history = EventHistory(journal)
    assert history.page_after(0) == ((), 0)
    history.note(1.0, "one", None, None)
    assert numbers(history.page_after(0)) == [1]
    history.note(2.0, "two", None, None)
    assert numbers(history.page_after(0)) == [1, 2]
    assert numbers(history.page_after(1)) == [2]


@pytest.mark.parametrize("limit", ["rows", "bytes"])
def test_a_full_page_stays_as_it_is(journal: Journal, monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    if limit == "rows":
        monkeypatch.setattr(history_module, "PAGE", 2)
    else:
        monkeypatch.setattr(history_module, "PAGE_BYTES", 3)  # a note without values has two
    history = EventHistory(journal)
    for each in range(3):
        history.note(float(each), "kind", None, None)
    page = history.page_after(0)
    history.note(4.0, "kind", None, None)
    assert history.page_after(0)[0] is page[0]
    assert numbers(page) == [1, 2]
    assert numbers(history.page_after(2)) == [3, 4]


def test_a_file_that_stays_where_it_is_is_rejected_once_for_all_starts(tmp_path: Path) -> None:
    file = InputRejected(origin="file", reason="A: not JSON", raw=b"{", size=1)
    frame = file.model_copy(update={"origin": "socket"})
    kept = []
    for _ in range(2):  # two coordinators, one after the other
        journal = Journal(tmp_path / "journal.db")
        history = EventHistory(journal)
        kept += [history.reject(each, 1.0) for each in (file, frame, file, frame)]
        journal.commit()
        journal.close()
    assert kept == [True, True, False, False, False, False, False, False]
    with closing(JournalReader(tmp_path / "journal.db")) as reader:
        assert sorted(row["count"] for row in reader.rejected()) == [1, 4]


def reject(journal: Journal, reason: str, origin: str = "socket", count: int = 1) -> None:
    """Reject an input."""
    EventHistory(journal).reject(InputRejected(origin=origin, reason=reason, raw=b"x", count=count), 1.0)


def test_of_one_kind_of_junk_the_first_is_kept_and_the_rest_are_counted(path: Path) -> None:
    journal = Journal(path)
    for number in range(100):
        reject(journal, f"not JSON: line 1 column {number}")
    reject(journal, "not JSON: line 2 column 0", count=300_000)
    reject(journal, "not an object")
    journal.commit()
    journal.close()
    # And a journal that is opened again goes on counting
    journal = Journal(path)
    reject(journal, "not JSON: line 9 column 9")
    journal.commit()
    assert journal.events.last == 2  # the notes in the history
    journal.close()
    with closing(JournalReader(path)) as reader:
        assert [(row["reason"], row["count"]) for row in reader.rejected()] == [
            ("not JSON: line 1 column 0", 300_101),
            ("not an object", 1),
        ]
        assert reader.rejection(1)["count"] == 300_101
        assert reader.counts()["rejected"] == 300_102


def test_files_are_told_apart_by_their_names(journal: Journal, path: Path) -> None:
    for name, raw in (("1", b"a"), ("2", b"a"), ("2", b"b")):
        reason = f"task_result_{name}.json: not JSON"
        EventHistory(journal).reject(InputRejected(origin="file", reason=reason, raw=raw), 1.0)
    journal.commit()
    with closing(JournalReader(path)) as reader:
        assert [row["count"] for row in reader.rejected()] == [1, 2]
