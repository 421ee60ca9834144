"""The target of a command, found by the name that a person sees."""

import json

import pytest

from actors.protocol.deliveries import DeliveryState
from tests.actors.cli.commands import Commands
from tests.actors.router.office import Office

FIRST, SECOND = "2eadfcc5-0000-4000-8000-000000000001", "2eadfcc5-6d1d-4000-8000-000000000002"


def fill(office: Office) -> None:
    office.up("tester")
    office.create("T", "tester", details="Keep {result_file} as it is.\n" + "long " * 9000)
    office.receive("tester", office.delivered("tester")[0], DeliveryState.DEAD)
    office.create(FIRST, "coder", title="First")
    office.create(SECOND, "coder", title="Second")
    office.create("step 1", "coder")


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Commands:
    return Commands(tmp_path_factory.mktemp("act") / "work", fill)


def test_an_ambiguous_id_is_refused_with_the_candidates(commands: Commands) -> None:
    assert commands.refusal("retry", "2eadfcc5").splitlines() == [
        "'2eadfcc5' may mean more than one; give more of the id:",
        f"  task or subtask {FIRST}",
        f"  task or subtask {SECOND}",
    ]


def test_a_dead_letter_shows_words_where_a_session_would_name_files(commands: Commands) -> None:
    [row] = [json.loads(line) for line in commands.shown("dead-letters", "--json").splitlines()]
    for words in ([], ["--json"]):
        shown = " ".join(commands.shown("dead-letters", "show", row["id"][:8], *words).split())
        assert "in the file (the file with the whole of it)" in shown
        assert "write (the subtask's result file) instead" in shown
        assert "Keep {result_file} as it is." in shown, "that is the backend's"
        assert "{context_file}" not in shown


def test_what_status_shows_means_one(commands: Commands) -> None:
    shown = commands.shown("status")
    assert "2eadfcc5-0000" in shown
    assert "2eadfcc5-6d1d" in shown
    assert FIRST not in shown
    for written in ("2eadfcc5-0000", "2EADFCC5-0000", "step 1", "step%201"):
        assert commands.refusal("retry", written).startswith("No coordinator runs in "), "it was found"


def test_advice_is_a_whole_command(commands: Commands) -> None:
    advice = f"Start one first: agent-coordinator run --work-dir {commands.directory}"
    assert commands.refusal("retry", "backend").endswith(advice)
