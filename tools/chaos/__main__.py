"""The command line of scripts/chaos."""

import argparse
import math
import secrets
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tools.chaos.kinds import OF_THE_STAND_IN, SCRIPTED_ODDS
from tools.chaos.report import SHOW, is_clean
from tools.chaos.run import ChaosResult, Scale, run
from tools.chaos.testbed import real, scripted
from tools.chaos.verdict import judge_model

SCRIPTED = Scale(agents=6, busy=24, pause=0.25, think=0.5, freeze=4.0, settle=120.0, background=0.15)
REAL = Scale(agents=3, busy=8, pause=1.0, think=1.0, freeze=6.0, settle=240.0, background=0.0)
KILL_SECONDS, REAL_KILL_SECONDS = 0.4, 2.0
"""Average seconds between two kills."""
OF_BOTH = {kind: odds for kind, odds in SCRIPTED_ODDS.items() if kind not in OF_THE_STAND_IN}
REAL_ODDS = {**OF_BOTH, "coordinator, SIGKILL": 5, "actor": 15}


def options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="scripts/chaos",
        description="Run the coordinator, its agents and its backend under constant work, and kill them at random. Then"
        " check that each agent received what it should. The exit code is 0 only if nothing was lost, doubled,"
        " reordered or wrong; otherwise it is 1, and the directory is kept.",
    )
    parser.add_argument("--minutes", type=minutes, default=1.0, help="minutes of killing (default 1)")
    parser.add_argument(
        "--seed", default=secrets.token_hex(4), help="seed; the same seed gives the same work and kills"
    )
    parser.add_argument(
        "--kills", type=number, help=f"number of kills (default: one every {KILL_SECONDS} seconds)"
    )
    parser.add_argument(
        "--real", action="store_true", help="use the real claude, with a local double of its API"
    )
    parser.add_argument(
        "--keep", type=new_directory, help="use and keep this directory, which must not exist yet"
    )
    parser.add_argument("--json", dest="form", action="store_const", const="json", help="print JSON")
    parser.add_argument(
        "--markdown", dest="form", action="store_const", const="markdown", help="print Markdown"
    )
    parser.set_defaults(form="text")
    return parser.parse_args()


def minutes(text: str) -> float:
    """Parse a duration; a ValueError becomes the parser's message."""
    found = float(text)
    if not 0 < found < math.inf:
        raise argparse.ArgumentTypeError(f"{text} must be more than 0")
    return found


def number(text: str) -> int:
    """Parse a number of 1 or more; a ValueError becomes the parser's message."""
    found = int(text)
    if found < 1:
        raise argparse.ArgumentTypeError(f"{text} must be at least 1")
    return found


def new_directory(text: str) -> Path:
    """Parse the path of a directory that can be created."""
    path = Path(text).absolute()
    if path.exists() or not path.parent.is_dir():
        problem = "exists already" if path.exists() else "is in a directory that doesn't exist"
        raise argparse.ArgumentTypeError(f"{path} {problem}")
    return path


def main() -> int:
    """Run once, print the result, and return the exit code."""
    given = options()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))  # so that all processes are ended
    if given.form == "text":
        print(f"seed {given.seed}", flush=True)
    directory = given.keep or Path(tempfile.mkdtemp(prefix="chaos-"))
    directory.mkdir(exist_ok=directory != given.keep)
    clean = False
    try:
        outcome = run_real(directory, given) if given.real else run_scripted(directory, given)
        SHOW[given.form](outcome, given.seed)
        clean = is_clean(outcome)
    finally:
        if clean and not given.keep:
            shutil.rmtree(directory)
        else:
            print(f"all files are in {directory}", file=sys.stderr)
    return 0 if clean else 1


def run_scripted(directory: Path, given: argparse.Namespace) -> ChaosResult:
    """Run with the scripted stand-in as claude."""
    seconds = 60 * given.minutes
    kills = given.kills or round(seconds / KILL_SECONDS)
    claude = scripted(pace=0.15)
    return run(directory, claude, SCRIPTED, seed=given.seed, seconds=seconds, kills=kills, odds=SCRIPTED_ODDS)


def run_real(directory: Path, given: argparse.Namespace) -> ChaosResult:
    """Run with the real claude; the model's input is checked too."""
    from tools.common.model_api import ModelApi  # noqa: PLC0415 - only needed here

    seconds = 60 * given.minutes
    kills = given.kills or round(seconds / REAL_KILL_SECONDS)
    with ModelApi() as api:
        claude = real(api.url)
        return run(
            directory, claude, REAL, seed=given.seed, seconds=seconds, kills=kills, odds=REAL_ODDS,
            check=lambda found: judge_model(found, api.user_texts()),
        )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
