"""Characters that the encoding of the output lacks."""

import pytest

from actors.protocol.backend import InputRejected
from tests.actors.cli.commands import Commands
from tests.actors.router.office import Office

LATIN = {"PYTHONIOENCODING": "latin-1:strict"}
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def fill(office: Office) -> None:
    office.up("coder")
    office.create("A", "coder", title="Ship it 🚀")
    office.message("coder", "Well done 🎉")
    office.tell(InputRejected(origin="socket", reason="no 🎉", raw="🎉".encode(), size=4))


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Commands:
    return Commands(tmp_path_factory.mktemp("encodings") / "work", fill)


@pytest.mark.parametrize(
    ("words", "encoding", "code"),
    [
        (["status"], LATIN, 0),
        (["history"], LATIN, 0),
        (["rejected", "1"], LATIN, 0),
        (["retry", "🎉"], LATIN, 2),
        (["status"], ASCII, 0),
        (["retry", "🎉"], ASCII, 2),
    ],
)
def test_a_character_that_the_output_lacks_is_a_question_mark(
    commands: Commands, words: list[str], encoding: dict[str, str], code: int
) -> None:
    done = commands.run(*words, **encoding)
    assert b"Traceback" not in done.stderr
    assert b"?" in done.stdout + done.stderr
    assert done.returncode == code
