"""Commands that people are advised to give."""

import shlex
from collections.abc import Iterator

import pytest

from actors.lib.program import VARIABLE, command, repeat_options


@pytest.fixture(autouse=True)
def _program(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(VARIABLE, "./scripts/run")
    yield
    repeat_options()


@pytest.mark.parametrize("word", ["A", "step 1", "$(rm -rf /)", "'", "#12", "-x"])
def test_a_command_can_be_pasted(word: str) -> None:
    *rest, last = shlex.split(command("retry", word))
    assert last == word
    assert rest == ["./scripts/run", "retry", *(["--"] if word == "-x" else [])]


def test_it_means_the_same_coordinator() -> None:
    repeat_options("--work-dir", "/my work")
    assert command("status") == "./scripts/run status --work-dir '/my work'"
