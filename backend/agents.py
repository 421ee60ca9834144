"""The agents that a coordinator in a work directory has prompts for."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

_PRODUCT_PROMPTS = Path(__file__).resolve().parents[1] / "actors" / "agents" / "prompts"
"""The coordinator's own prompts, where it is installed beside this package."""


def unknown_agents(agents: Iterable[str], work_dir: Path) -> list[str]:
    """Return a warning for each agent that has no prompt, with the name that may be meant.

    Args:
        agents: their names.
        work_dir: the coordinator's work directory, with the user's prompts in `prompts`.
    """
    known = _known(work_dir)
    if not known:
        return []  # the agents are elsewhere
    return [_warning(agent, known, work_dir) for agent in agents if agent not in known]


def _warning(agent: str, known: set[str], work_dir: Path) -> str:
    near = get_close_matches(agent, known, 1)
    advice = f"did you mean {near[0]}?" if near else f"the agents are: {', '.join(sorted(known))}"
    prompt = work_dir / "prompts" / f"{agent}.md"
    return f"there is no prompt for {agent}, so nobody will do its steps; {advice} (its prompt would be {prompt})"


def _known(work_dir: Path) -> set[str]:
    return {
        path.stem
        for folder in (work_dir / "prompts", _PRODUCT_PROMPTS)
        for path in _files(folder)
        if path.suffix in (".md", ".txt")
    }


def _files(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []
