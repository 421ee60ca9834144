"""Checks before the coordinator starts agents: what can't be right is refused, what may be wrong is logged once."""

from collections.abc import Iterator
from pathlib import Path

import structlog

from actors.app.environment import ROOT
from actors.app.settings import Settings, find_claude, misspelled
from actors.app.trust import Remark, check_work_dir, find_exposed, remember
from actors.workdir.lasting import why_it_goes

log = structlog.get_logger(__name__)

LASTING = "~/.local/share/agent-coordinator"
"""A directory that stays, to name as an example."""


def check_start(settings: Settings) -> None:
    """Check the settings and the places that they name, and remember where agents work.

    Raises:
        ConfigurationError: There is no claude, or agents may write where they must not.
    """
    claude = find_claude(settings)
    check_work_dir(settings.work_dir, settings.project_dir)
    for remark in _remarks(settings, claude):
        log.warning(remark.event, reason=remark.reason, next=remark.next)
    try:
        remember(settings.project_dir)
    except OSError as error:
        log.info("project_not_remembered", reason=str(error))


def _remarks(settings: Settings, claude: str) -> Iterator[Remark]:
    yield from misspelled()
    yield from find_exposed(settings.project_dir, ROOT, Path(claude))
    if why := why_it_goes(settings.work_dir):
        yield Remark(
            "work_dir_is_temporary",
            f"{settings.work_dir} {why}: the journal, and with it all that the coordinator knows, goes too",
            f"set WORK_DIR to a directory that stays, such as {LASTING}; to keep the journal, stop the coordinator"
            " and move the directory there",
        )
