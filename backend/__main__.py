"""`python -m backend`: the backend as a process of its own, or as a supervised child of the coordinator."""

import io
import logging
import os
import socket
import sys
import threading
from contextlib import ExitStack, closing, suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, TextIO

import structlog
import typer
from structlog.typing import EventDict, ExcInfo, WrappedLogger

from backend.app import create_app
from backend.errors import AddressError, AlreadyRunningError, BackendError
from backend.runtime import Runtime
from backend.server import Server, bind
from backend.workdir import DEFAULT_WORK_DIR, WorkDir
from serving import url_of

log = structlog.get_logger("backend")

REFUSED = 2
ALREADY_RUNNING = 3


def main(
    host: Annotated[
        str,
        typer.Option(help="Address to listen on. Anything but loopback is reachable from other machines."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on (0: any free one).")] = 8000,
    work_dir: Annotated[
        Path,
        typer.Option(
            envvar="WORK_DIR", help="Directory of the token and the database, private to you (0700)."
        ),
    ] = DEFAULT_WORK_DIR,
    database_url: Annotated[
        str | None,
        typer.Option(
            envvar="DATABASE_URL", help="SQLAlchemy URL of the database. Default: WORK_DIR/backend.db."
        ),
    ] = None,
    *,
    listener: Annotated[
        list[int] | None,
        typer.Option(
            help="Descriptor of a listening socket to serve, instead of --host and --port. Repeatable;"
            " the first one's address is published."
        ),
    ] = None,
    exit_with_stdin: Annotated[
        bool,
        typer.Option(
            "--exit-with-stdin",
            help="Stop when standard input ends, as it does when the parent process dies.",
        ),
    ] = False,
) -> None:
    """Run the task backend: REST under /api, events at /ws, tools at /mcp.

    Print 'ready URL' when it accepts connections. Exit codes: 0 stopped; 2 the work directory, the database or
    the address can't be used; 3 the port or the work directory is in use.
    """
    configure_logging()
    try:
        with ExitStack() as opened:
            listeners = [opened.enter_context(each) for each in _listeners(host, port, listener)]
            _run(listeners, WorkDir(work_dir), database_url, exit_with_stdin=exit_with_stdin)
    except BackendError as error:
        typer.echo(_printable(error.message), err=True)
        raise typer.Exit(ALREADY_RUNNING if isinstance(error, AlreadyRunningError) else REFUSED) from None


def configure_logging() -> None:
    """Send all logs to standard error; of the libraries' logs, only warnings and errors."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=_write_traceback)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _make_printable,
                renderer,
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING)
    logging.getLogger("backend").setLevel(logging.INFO)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def _make_printable(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace what a terminal would obey in texts, which may be a client's."""
    return {name: _printable(value) if isinstance(value, str) else value for name, value in event.items()}


def _write_traceback(stream: TextIO, failure: ExcInfo) -> None:
    """Write a plain traceback: rich's would show locals, including the token."""
    written = io.StringIO()
    structlog.dev.plain_traceback(written, failure)
    stream.write(_printable(written.getvalue()))


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() or each == "\n" else "�" for each in text)


def _listeners(host: str, port: int, given: list[int] | None) -> list[socket.socket]:
    try:
        return [socket.socket(fileno=each) for each in given] if given else [bind(host, port)]
    except OSError as error:
        raise AddressError(f"--listener {given}: {error.strerror or error}") from None


def _run(
    listeners: list[socket.socket], work_dir: WorkDir, database_url: str | None, *, exit_with_stdin: bool
) -> None:
    with closing(work_dir):
        token = work_dir.hold()
        runtime = Runtime(database_url or f"sqlite:///{work_dir.path.resolve() / 'backend.db'}")
        server = Server(create_app(runtime, token), *listeners)
        url = url_of(listeners[0])
        work_dir.publish(url)
        _warn_if_reachable(listeners[0].getsockname()[0])
        if exit_with_stdin:
            threading.Thread(target=_stop_at_eof, args=[server], name="stdin", daemon=True).start()
        log.info("backend.started", url=url, work_dir=str(work_dir.path))
        server.run_until_stopped()
        log.info("backend.stopped")


def _warn_if_reachable(address: str) -> None:
    if not ip_address(address.partition("%")[0]).is_loopback:
        log.warning("backend.reachable", address=address, advice="the token travels in clear text")


def _stop_at_eof(server: Server) -> None:
    with suppress(OSError):  # a closed standard input counts as ended
        while os.read(0, 4_096):
            pass
    server.stop()


if __name__ == "__main__":
    app = typer.Typer(
        add_completion=False, pretty_exceptions_enable=False
    )  # a pretty traceback would show locals, including the token
    app.command()(main)
    app()
