"""Random damage to a journal's file, after which a start goes on with whatever can be read."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from actors.protocol.deliveries import DeliveryState
from tests.actors.router.office import Office

SIZE = 12

damages = st.lists(
    st.tuples(st.floats(0, 1), st.one_of(st.binary(min_size=1, max_size=40), st.just(b"\0" * 600))),
    min_size=1,
    max_size=6,
)
"""The position, as a part of the file's length, and the bytes that are written there."""


@pytest.fixture(scope="module")
def sound() -> Iterator[Path]:
    """Prepare a work directory whose journal uses every kind of page."""
    with tempfile.TemporaryDirectory() as name:
        office = Office(Path(name), on_disk=True)
        for number in range(SIZE):
            upstreams = [f"S{number - 1}"] if number % 3 == 2 else []
            office.create(
                f"S{number}", "coder", *upstreams, key=f"key-{number}", seq=number + 1, details="x" * 3000
            )
        office.up("coder")
        office.report("coder", "the first")
        office.end_turn("coder")
        office.parts.journal.close(in_order=False)
        yield Path(name)


@pytest.mark.expected_errors("journal_damaged")
@settings(max_examples=60, deadline=None)
@given(damages, st.one_of(st.none(), st.floats(0, 1)))
@example([(0.01953125, b" ")], None)  # a table's definition
def test_a_start_goes_on_with_what_can_be_read(
    sound: Path, damage: list[tuple[float, bytes]], cut: float | None
) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "journal.db"
        shutil.copyfile(sound / path.name, path)
        with path.open("r+b") as file:
            length = path.stat().st_size
            for place, content in damage:
                file.seek(int(place * (length - 1)))
                file.write(content)
            if cut is not None:
                file.truncate(int(cut * length))
        office = Office(Path(name), on_disk=True)
        # Everybody who is there is given something to do, and new work is done like any other
        office.create("after", "new-agent", key="key-after", seq=SIZE + 1)
        office.up("coder", "new-agent")
        assert office.report("new-agent", "done").ok
        assert office.node("after").state == "completed"
        for each in office.delivered("coder"):
            office.receive("coder", each, DeliveryState.STARTED, DeliveryState.COMPLETED)
        office.close()
