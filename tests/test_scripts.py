"""The scripts, where they decide something before the product runs."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def script(name: str, *words: str, root: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], "PYTHON": "no-such-python"}
    return subprocess.run(
        [root / "scripts" / name, *words], env=environment, capture_output=True, text=True, timeout=60, check=False
    )  # fmt: skip


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a virtual environment that is current."""
    (tmp_path / "scripts").mkdir()
    for name in ("venv", "test"):
        shutil.copy(ROOT / "scripts" / name, tmp_path / "scripts" / name)
    (tmp_path / "requirements.txt").write_text("a==1\n")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to("/bin/true")
    shutil.copy(tmp_path / "requirements.txt", tmp_path / ".venv" / ".installed-requirements.txt")
    return tmp_path


def test_a_current_environment_is_used_without_writing_anything(checkout: Path) -> None:
    before = sorted(checkout.rglob("*"))
    done = script("venv", root=checkout)
    assert (done.returncode, done.stdout) == (0, f"{checkout}/.venv/bin/python\n")
    assert sorted(checkout.rglob("*")) == before


def test_one_that_is_not_current_is_installed(checkout: Path) -> None:
    (checkout / "requirements.txt").write_text("a==2\n")
    done = script("venv", root=checkout)
    assert (done.returncode, done.stdout) == (1, "")
    assert "Python 3.11 or later is needed" in done.stderr


def test_the_help_of_the_tests_installs_nothing(checkout: Path) -> None:
    done = script("test", "--help", root=checkout)
    assert (done.returncode, done.stderr) == (0, "")
    assert "scripts/test [PYTEST OPTIONS]" in done.stdout
    assert not (checkout / ".cache").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--minutes", "-1"), "-1 must be more than 0"),
        (("--minutes", "nan"), "nan must be more than 0"),
        (("--kills", "0"), "0 must be at least 1"),
        (("--keep", "/tmp"), "/tmp exists already"),  # noqa: S108 - it is only looked at
    ],
)
def test_chaos_refuses_what_would_prove_nothing(words: tuple[str, str], told: str) -> None:
    done = script("chaos", *words)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
