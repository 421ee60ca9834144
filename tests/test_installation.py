"""Tests of the product as a wheel, installed without the checkout."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.checkout import copy_checkout
from tests.claude import ROOT

PACKAGES = ("actors", "backend", "serving", "supervisors")

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the wheel, built from a copy so that the checkout stays unchanged."""
    directory = tmp_path_factory.mktemp("wheel")
    source = copy_checkout(directory / "source")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    _checked([*command, "--disable-pip-version-check", "--wheel-dir", str(directory), str(source)], directory)
    (built,) = directory.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the programs of a new environment with the wheel; its libraries are those of the tests."""
    environment = tmp_path_factory.mktemp("installed") / "venv"
    _checked([sys.executable, "-m", "venv", "--without-pip", str(environment)], environment.parent)
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    _checked([*pip, "install", "--no-deps", "--no-index", str(wheel)], environment.parent)
    site = _checked(
        [str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], environment
    )
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    Path(site.strip(), "libraries-of-the-tests.pth").write_text("\n".join(sorted(libraries)))
    return environment / "bin"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an empty folder to start in."""
    path = tmp_path / "folder"
    path.mkdir()
    return path


def _checked(command: Sequence[str], directory: Path) -> str:
    """Return the output of a program without access to the checkout; its empty home is beside its folder."""
    home = directory.parent / "home"
    home.mkdir(exist_ok=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "COLUMNS": "200"}
    done = subprocess.run(
        command, env=environment, cwd=directory, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_holds_each_file_of_its_packages_and_no_other(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    folders = [ROOT / name for name in PACKAGES]
    code = {path for folder in folders for path in folder.rglob("*.py")}
    data = {folder / "py.typed" for folder in folders} | set((ROOT / "actors").rglob("*.sql"))
    prompts = {f"actors/agents/prompts/{path.name}" for path in (ROOT / "prompts").iterdir()}
    assert len(prompts) > 1
    assert held == {str(path.relative_to(ROOT)) for path in code | data} | prompts


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (info,) = {Path(name).parts[0] for name in archive.namelist() if ".dist-info/" in name}
        metadata = archive.read(f"{info}/METADATA").decode()
        licence = archive.read(f"{info}/licenses/LICENSE").decode()
    assert "\nLicense-Expression: MIT\n" in metadata
    assert licence == (ROOT / "LICENSE").read_text()


def test_all_packages_come_from_the_wheel(installed: Path, folder: Path) -> None:
    program = f"import {', '.join(PACKAGES)}; print({', '.join(f'{name}.__file__' for name in PACKAGES)})"
    found = _checked([str(installed / "python"), "-c", program], folder).split()
    assert len(found) == len(PACKAGES)
    for path in found:
        assert Path(path).is_relative_to(installed.parent), path


@pytest.mark.parametrize("words", [("agent-coordinator",), ("python", "-m", "actors.main")], ids=" ".join)
def test_the_demo_runs_from_an_empty_folder(installed: Path, folder: Path, words: tuple[str, ...]) -> None:
    command = [str(installed / words[0]), *words[1:]]
    assert "All subtasks are completed" in _checked([*command, "demo"], folder)
    assert list(folder.iterdir()) == []
    assert f"Usage: {' '.join(words)} [OPTIONS]" in _checked([*command, "--help"], folder)
