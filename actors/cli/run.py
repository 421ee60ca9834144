"""The commands that run the coordinator and the demo."""

from typing import Annotated

import typer

from actors.app.settings import Settings
from actors.cli.options import with_settings
from actors.cli.render import console, text


@with_settings()
def run(settings: Settings) -> None:
    """Run the coordinator until it is stopped with Ctrl-C or SIGTERM."""
    from actors.app.coordinator import Coordinator  # noqa: PLC0415 - read-only commands need not load its libraries
    from actors.app.logs import set_up_logging  # noqa: PLC0415 - the same
    from actors.app.serve import serve  # noqa: PLC0415 - the same
    from actors.app.start_checks import check_start  # noqa: PLC0415 - the same

    set_up_logging(settings.log_level, form=settings.log_format)
    check_start(settings)
    raise typer.Exit(serve(Coordinator(settings), lambda words: console.print(text(words))))


@with_settings("claude_command", "log_level")
def demo(
    settings: Settings,
    *,
    real: Annotated[
        bool,
        typer.Option(
            "--real", help="Run your own claude instead of a simulation. It is billed to your account."
        ),
    ] = False,
    timeout: Annotated[float, typer.Option(help="Seconds until the demo gives up.")] = 1800.0,
) -> None:
    """Run the example workflow "Build Auth System" from start to end, and show its progress."""
    from actors.cli.demo import run_demo  # noqa: PLC0415 - the same

    raise typer.Exit(run_demo(settings, console, real=real, timeout=timeout))
