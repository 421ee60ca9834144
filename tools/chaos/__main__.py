"""The command line of scripts/chaos."""

import argparse
import math
import secrets
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tools.chaos.killer import SCRIPTED_ODDS
from tools.chaos.report import SHOW, is_clean
from tools.chaos.run import Outcome, Scale, run
from tools.chaos.testbed import real, scripted
from tools.chaos.verdict import judge_model

SCRIPTED = Scale(agents=6, busy=24, pause=0.25, think=0.5, freeze=4.0, settle=120.0)
REAL = Scale(agents=3, busy=8, pause=1.0, think=1.0, freeze=6.0, settle=240.0)
KILL_SECONDS, REAL_KILL_SECONDS = 0.4, 2.0
"""Seconds from one kill to the next, on average."""
REAL_ODDS = {**SCRIPTED_ODDS, "coordinator, SIGKILL": 5, "actor": 15}


def options() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(
        prog="scripts/chaos",
        description="Runs the coordinator, its agents and its backend, gives out work all the time, and kills one of"
        " them after the other at random. Then compares what each agent received with what it should have. Exits with"
        " 0 only if nothing was lost, doubled, reordered or wrong; else with 1, and keeps the directory.",
    )
    parser.add_argument("--minutes", type=minutes, default=1.0, help="how long things die (default 1)")
    parser.add_argument(
        "--seed", default=secrets.token_hex(4), help="the same seed gives out and kills the same"
    )
    parser.add_argument("--kills", type=number, help=f"how many (default: one in {KILL_SECONDS} seconds)")
    parser.add_argument(
        "--real", action="store_true", help="the real claude, before a local double of its API"
    )
    parser.add_argument(
        "--keep", type=new_directory, help="use this directory, which must not exist, and keep it"
    )
    parser.add_argument("--json", dest="form", action="store_const", const="json", help="print JSON")
    parser.add_argument(
        "--markdown", dest="form", action="store_const", const="markdown", help="print Markdown"
    )
    parser.set_defaults(form="text")
    return parser.parse_args()


def minutes(text: str) -> float:
    """A duration that there is; raises ValueError, which the parser tells."""
    found = float(text)
    if not 0 < found < math.inf:
        raise argparse.ArgumentTypeError(f"{text} must be more than 0")
    return found


def number(text: str) -> int:
    """How many; the same."""
    found = int(text)
    if found < 1:
        raise argparse.ArgumentTypeError(f"{text} must be at least 1")
    return found


def new_directory(text: str) -> Path:
    """A directory that can be made."""
    path = Path(text).absolute()
    if path.exists() or not path.parent.is_dir():
        problem = "exists already" if path.exists() else "is in a directory that doesn't exist"
        raise argparse.ArgumentTypeError(f"{path} {problem}")
    return path


def main() -> int:
    """Run once and print what came of it; 1 if anything is amiss."""
    given = options()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))  # so that everything is ended on the way out
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
            print(f"everything is in {directory}", file=sys.stderr)
    return 0 if clean else 1


def run_scripted(directory: Path, given: argparse.Namespace) -> Outcome:
    """With the scripted stand-in as claude."""
    seconds = 60 * given.minutes
    kills = given.kills or round(seconds / KILL_SECONDS)
    claude = scripted(pace=0.15)
    return run(directory, claude, SCRIPTED, seed=given.seed, seconds=seconds, kills=kills, odds=SCRIPTED_ODDS)


def run_real(directory: Path, given: argparse.Namespace) -> Outcome:
    """With the real claude; what the model was told is compared too."""
    from tools.common.model_api import ModelApi  # noqa: PLC0415 - needed for this only

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
