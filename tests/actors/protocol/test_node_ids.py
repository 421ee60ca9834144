"""Ids of tasks and subtasks, and the names of files after them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.protocol.node_ids import file_name, from_file_name, is_node_id, spellings

IDS = st.text(min_size=1, max_size=40).map(str.strip).filter(is_node_id) | st.text(
    "aB/%2F #.", min_size=1
).map(str.strip).filter(is_node_id)
UUID = "845d5f2d-0000-4000-8000-00000000abcd"


@pytest.mark.parametrize(
    ("node_id", "name"),
    [
        ("A-1_b.c:d@e", "A-1_b.c:d@e"),
        ("#12", "#12"),
        ("proj/12", "proj%2F12"),
        ("step 1", "step%201"),
        ("aufgabe-ä", "aufgabe-ä"),
        ("50%", "50%25"),
        ("a*b?[c]", "a%2Ab%3F%5Bc%5D"),
    ],
)
def test_a_file_name_is_readable(node_id: str, name: str) -> None:
    assert file_name(node_id) == name


@given(IDS)
def test_each_id_has_a_file_name_of_its_own(node_id: str) -> None:
    name = file_name(node_id)
    assert from_file_name(name) == node_id, "so no two ids share one"
    assert not {*name} & {*"/ *?[]\"'$`\\"}
    assert len(name.encode()) <= 200


@pytest.mark.parametrize(
    "text", ["", " ", " a", "a\nb", "\x1b[2J", "a\u200bb", "a\u202eb", "\ud800", "a" * 201]
)
def test_what_is_no_id(text: str) -> None:
    assert not is_node_id(text)


@pytest.mark.parametrize("prefix", ["", "urn:uuid:"])
def test_a_uuid_is_the_same_in_any_case(prefix: str) -> None:
    small, capital = prefix + UUID, prefix + UUID.upper()
    assert spellings(small) == (small, capital)
    assert spellings(capital) == (capital, small)
    assert spellings(prefix + UUID[:20].upper() + UUID[20:]) == (small, capital)
    assert spellings("proj/12") == ("proj/12",)
    assert spellings("A") == ("A",)
