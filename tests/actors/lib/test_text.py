"""Foreign text and foreign values in JSON, made harmless."""

import json
import re

import orjson
from hypothesis import given
from hypothesis import strategies as st

from actors.lib.text import clean, escape_json


@given(st.text())
def test_cleaned_text_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", clean(text))


@given(st.recursive(st.text(), lambda each: st.dictionaries(st.text(), each) | st.lists(each)))
def test_escaped_json_says_the_same_without_anything_that_a_terminal_obeys(value: object) -> None:
    escaped = escape_json(orjson.dumps(value, option=orjson.OPT_INDENT_2))
    assert json.loads(escaped) == value
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", escaped.decode())
