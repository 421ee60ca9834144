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
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["--help", "-h"]},
)
for command in (run.run, run.demo, look.status, look.history, look.deliveries, act.send, act.start):
    app.command()(command)
app.command(name="dead-letters")(look.dead_letters)
for command in (look.rejected, act.retry, act.drop):
    app.command()(command)


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
