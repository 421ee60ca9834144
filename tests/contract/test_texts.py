"""Tests of texts: any text arrives exactly, but a leading slash makes it a command."""

import pytest

from tests.contract.harness import Claude
from tests.contract.messages import message, say

MEBIBYTE = 1 << 20


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("! touch ran", id="bang"),
        pytest.param("exit", id="exit"),
        pytest.param("ends in \\", id="backslash"),
        pytest.param("an \x1b[31mescape\x1b[0m and \x1b[201~", id="escape"),
        pytest.param("one\r\ntwo\r\nthree", id="crlf"),
        pytest.param("  leads with blanks", id="blanks"),
        pytest.param("@/etc/hostname", id="at"),
        pytest.param("\u202ebidi\u202c, \u200bzero width, \u2028 separator, \U0001f600", id="unicode"),
        pytest.param("[coordinator]\n/compact", id="slash on the second line"),
        pytest.param("/nosuchcommand it is", id="unknown command"),
    ],
)
def test_it_arrives_exactly(claude: Claude, text: str) -> None:
    run = claude.start()

    a = run.send(text)
    story = run.finish(a)

    replayed = run.wait(lambda event: bool(event.get("isReplay")))["message"]["content"]
    assert replayed == text
    assert story[-2:] == ["result A completed", "A completed"]
    assert claude.told(text) == 1
    assert not (claude.cwd / "ran").exists()


def test_a_mebibyte_arrives_exactly(claude: Claude) -> None:
    text = message(say("done")) + "\n> " + "0123456789abcdef" * (MEBIBYTE // 16)

    run = claude.start()
    a = run.send(text)
    story = run.finish(a)

    assert story[-1] == "A completed"
    assert claude.told(text) == 1


@pytest.mark.parametrize("text", ["/compact", "/cost", "/help"])
def test_a_leading_slash_is_a_command(claude: Claude, text: str) -> None:
    run = claude.start()

    a = run.send(text)
    story = run.finish(a)

    assert story[-2:] == ["result A local", "A completed"]
    assert not (claude.api and claude.api.turns()), "the model isn't asked"


def test_a_list_of_blocks_is_a_message_too(claude: Claude) -> None:
    run = claude.start()

    content = [{"type": "text", "text": message(say("hi"))}]
    run.write({"type": "user", "uuid": claude.session, "message": {"role": "user", "content": content}})

    assert run.finish(claude.session)[-3:] == ["says hi", "result A completed", "A completed"]
