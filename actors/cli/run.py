"""Commands that run something: the coordinator, and the demo."""

from typing import Annotated

import typer

from actors.app.logs import set_up_logging
from actors.app.settings import Settings, find_claude
from actors.cli.options import with_settings
from actors.cli.render import console


@with_settings()
def run(settings: Settings) -> None:
    """Run the coordinator until it is stopped (Ctrl-C or SIGTERM)."""
    from actors.app.coordinator import Coordinator  # noqa: PLC0415 - who only looks need not wait for its libraries
    from actors.app.serve import serve  # noqa: PLC0415 - the same

    set_up_logging(settings.log_level, form=settings.log_format)
    find_claude(settings)
    raise typer.Exit(serve(Coordinator(settings), console.print))


@with_settings("claude_command", "log_level")
def demo(
    settings: Settings,
    *,
    real: Annotated[
        bool, typer.Option("--real", help="Use your own claude instead of the simulation.")
    ] = False,
    timeout: Annotated[float, typer.Option(help="Give up after so many seconds.")] = 1800.0,
) -> None:
    """Run the example workflow "Build Auth System" from beginning to end, and show what happens."""
    from actors.cli.demo import run_demo  # noqa: PLC0415 - the same

    raise typer.Exit(run_demo(settings, console, real=real, timeout=timeout))
