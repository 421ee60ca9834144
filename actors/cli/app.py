"""The command line: its commands, and the report of their errors."""

import errno
import io
import os
import sys

import typer

from actors.cli import act, look, run
from actors.lib.errors import ConfigurationError, CoordinatorError, NotFound
from actors.lib.program import program
from actors.lib.text import clean

FAILED = 1
USAGE_ERROR = 2

UNWRITABLE = (errno.EPIPE, errno.ENOSPC, errno.EIO)
"""Error numbers of an output that nobody reads any more, or that has no room."""

OF_THE_APP = ("--help", "-h", "--install-completion", "--show-completion")
"""Options that don't belong to the default command."""

app = typer.Typer(
    help="Start Claude Code agents as their tasks become ready, and deliver each result to the session that waits"
    " for it. The default command is run.",
    no_args_is_help=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # its tables cut names in a narrow terminal
    context_settings={"help_option_names": ["--help", "-h"]},
)
app.command(short_help="Run the coordinator until it is stopped.")(run.run)
app.command(short_help="Run an example workflow.")(run.demo)
app.command(short_help="Show the agents and the open subtasks.")(look.status)
app.command()(look.history)
app.command(short_help="Show what agents were told, and the receipts.")(look.deliveries)
app.command()(act.send)
app.command(short_help="Start or unblock an agent's session.")(act.start)
app.command(name="dead-letters", short_help="Show what could not be delivered.")(look.dead_letters)
app.command(short_help="Show input that could not be used.")(look.rejected)
app.command(short_help="Restart an agent's claude.")(act.restart)
app.command(short_help="Unblock, resend, or reconnect.")(act.retry)
app.command()(act.drop)
app.command(short_help="Show how to call the gateway with curl.")(act.api)


def main() -> None:
    """Run the command line. User errors are printed without a traceback."""
    _take_any_encoding()
    # In the locale C, Python keeps what isn't ASCII as surrogates.
    words = [word.encode(errors="surrogateescape").decode(errors="replace") for word in sys.argv[1:]]
    if not words or (words[0].startswith("-") and words[0] not in OF_THE_APP):
        words = ["run", *words]
    try:
        _call(words)
    except (ConfigurationError, NotFound) as error:
        _complain(error)
        sys.exit(USAGE_ERROR)
    except CoordinatorError as error:
        _complain(error)
        sys.exit(FAILED)


def _complain(words: object) -> None:
    print(clean(str(words)), file=sys.stderr)  # noqa: T201 - this is the command line


def _take_any_encoding() -> None:
    """Write a question mark for each character that the terminal's encoding lacks, and read what isn't of it."""
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _call(words: list[str]) -> None:
    try:
        try:
            app(args=words, prog_name=program())
        finally:
            sys.stdout.flush()  # here, where a failure can still be reported
    except OSError as error:
        if error.errno not in UNWRITABLE:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the rest is flushed at exit
        if error.errno != errno.EPIPE:
            _complain(f"The output can't be written: {error.strerror}")
        sys.exit(FAILED)
