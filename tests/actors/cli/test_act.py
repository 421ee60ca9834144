"""What a command is about, found by what a person sees."""

import pytest

from tests.actors.cli.commands import Commands
from tests.actors.router.office import Office

FIRST, SECOND = "2eadfcc5-0000-4000-8000-000000000001", "2eadfcc5-6d1d-4000-8000-000000000002"


def fill(office: Office) -> None:
    office.create(FIRST, "coder", title="First")
    office.create(SECOND, "coder", title="Second")
    office.create("step 1", "coder")


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Commands:
    return Commands(tmp_path_factory.mktemp("act") / "work", fill)


def test_an_ambiguous_id_is_refused_with_the_candidates(commands: Commands) -> None:
    done = commands.run("retry", "2eadfcc5")
    assert done.returncode == 2
    assert done.stderr.decode().splitlines() == [
        "'2eadfcc5' may mean more than one; give more of the id:", f"  subtask {FIRST}", f"  subtask {SECOND}",
    ]  # fmt: skip


def test_what_status_shows_means_one(commands: Commands) -> None:
    shown = commands.shown("status")
    assert "2eadfcc5-0000" in shown
    assert FIRST not in shown
    for written in ("2eadfcc5-0000", "2EADFCC5-0000", "step 1", "step%201"):
        done = commands.run("retry", written)
        assert done.stderr.decode().startswith(f"No coordinator runs in {commands.directory}."), (
            "it was found"
        )


def test_advice_is_a_whole_command(commands: Commands) -> None:
    done = commands.run("retry", "backend")
    work_dir = f"--work-dir {commands.directory}"
    assert done.stderr.decode().strip().endswith(f"Start one first: agent-coordinator run {work_dir}")
