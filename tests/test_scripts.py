"""Tests of the scripts' own decisions, before the product runs."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests import forked
from tests.checkout import copy_checkout
from tests.claude import ROOT

ADVICE = "On Debian/Ubuntu systems, you need to install the python3-venv package"
NO_VENV = f"""#!/bin/sh
# Stands for a Debian without python3-venv: half an environment is made, and the advice goes to stdout.
case "$1 $2" in "-m venv") ;; *) exec {sys.executable} "$@" ;; esac
for directory; do :; done
mkdir -p "$directory/bin"
ln -s {sys.executable} "$directory/bin/python"
echo "{ADVICE}"
exit 1
"""


def script(name: str, *words: str, root: Path = ROOT) -> "subprocess.CompletedProcess[str]":
    environment = {"PATH": os.environ["PATH"], "PYTHON": "no-such-python"}
    return subprocess.run(
        [root / "scripts" / name, *words], env=environment, capture_output=True, text=True, timeout=120, check=False
    )  # fmt: skip


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a checkout with a current virtual environment."""
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


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """Return a checkout without a virtual environment, for which nothing has to be downloaded."""
    root = copy_checkout(tmp_path / "checkout")
    (root / "requirements.txt").write_text("")
    return root


def run(root: Path, *words: str, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run the program in ``bare``, with the libraries of this environment."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(root.parent),
        "PYTHON": sys.executable,
        "PYTHONPATH": sysconfig.get_path("purelib"),
        "COLUMNS": "300",
    }
    return subprocess.run(
        [root / "scripts" / "run", *words],
        env=environment | more, cwd=root, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.timeout(600)
def test_an_environment_without_pip_is_made_anew(bare: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", ".venv"], cwd=bare, check=True)
    done = run(bare, "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Remaking (it has no working Python 3.11 or later with pip)" in done.stderr
    subprocess.run([bare / ".venv" / "bin" / "python", "-I", "-c", "import pip"], check=True)


@pytest.mark.timeout(600)
def test_why_no_environment_can_be_made_is_shown_and_the_half_is_not_taken_for_a_whole(bare: Path) -> None:
    # Given: a Python whose venv gives advice and fails
    python = bare.parent / "python3"
    python.write_text(NO_VENV)
    python.chmod(0o755)
    # When: it is to make the environment, then its advice is seen, each time
    for _ in range(2):
        done = run(bare, "--help", PYTHON=str(python))
        assert (done.returncode, done.stdout) == (1, "")
        assert ADVICE in done.stderr
        assert (bare / ".venv" / "bin" / "python").exists(), "the half that it has made"
    # When: one that can make it is there, then all is well, under the name that was called.
    done = run(bare, "--help")
    assert done.returncode == 0, done.stderr
    assert f"Usage: {bare}/scripts/run" in done.stdout


@pytest.mark.timeout(600)
def test_what_was_installed_by_half_is_installed_again(bare: Path) -> None:
    assert run(bare, "--help").returncode == 0
    marks = list((bare / ".venv").glob(".installed-*"))
    assert marks
    # When: an installation fails on its way, then the environment is current for nobody.
    good = (bare / "requirements.txt").read_text()
    (bare / "requirements.txt").write_text("nothing-of-that-name @ file:///nowhere\n")
    assert run(bare, "--help").returncode != 0
    (bare / "requirements.txt").write_text(good)
    assert not [mark for mark in marks if mark.exists()]
    assert "Installing what requirements.txt pins" in run(bare, "--help").stderr


def test_the_help_of_the_tests_installs_nothing(checkout: Path) -> None:
    done = script("test", "--help", root=checkout)
    assert (done.returncode, done.stderr) == (0, "")
    assert "scripts/test [--cov] [PYTEST OPTIONS]" in done.stdout
    assert "TEST_PROCESSES=N" in done.stdout
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
@pytest.mark.usefixtures("programs")
def test_chaos_refuses_what_would_prove_nothing(words: tuple[str, str], told: str) -> None:
    done = forked.run("tools.chaos", words, {"PATH": os.environ["PATH"]})
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("script", ["run", "start_autonomous_workflow.sh"])
def test_a_module_in_the_folder_that_it_is_started_in_is_not_executed(tmp_path: Path, script: str) -> None:
    evil = f"import pathlib; pathlib.Path({str(tmp_path / 'executed')!r}).touch()"
    for name in ("actors/__init__.py", "backend/__init__.py", "signal.py", "pydantic.py", "typer.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(evil)
    done = subprocess.run(
        [ROOT / "scripts" / script, "--help"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Usage" in done.stdout, done.stderr
    assert not (tmp_path / "executed").exists()
