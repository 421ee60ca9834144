"""A test of the example in docs/explanation/supervision.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest


@pytest.mark.expected_errors("child_exited", "message_dead")
def test_the_example_prints_what_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "explanation" / "supervision.md").read_text()
    example = re.search(r"```python\n(.*?)```", page, re.DOTALL)
    assert example is not None
    exec(compile(example[1], "supervision.md", "exec"), {"__name__": "example"})  # noqa: S102  # our own page
    assert capsys.readouterr().out == "25.0\n[(0, 2)]\n[]\n"
