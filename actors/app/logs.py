"""Logging: constant event names and key-values, to standard error."""

import io
import logging
import sys
from collections.abc import Mapping
from typing import Literal, TextIO

import structlog

from actors.app.folding import FoldingHandler
from actors.lib.errors import ConfigurationError, root_cause
from actors.lib.text import clean


def set_up_logging(
    level: str, stream: TextIO | None = None, *, form: Literal["text", "json"] = "text"
) -> None:
    """Configure logging from this level up.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
        stream: The output; standard error by default.
        form: ``text`` for people; ``json`` for programs, with one object a line and tracebacks as strings.
    """
    target = stream or sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    # A terminal is read at once, so a local time is enough; files may be read on another day and elsewhere.
    is_read_now = target.isatty() and form == "text"
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if is_read_now else "iso", utc=not is_read_now),
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.stdlib.filter_by_level,
            *(() if number == logging.DEBUG else (_in_plain_words,)),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = FoldingHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *(_json() if form == "json" else _text(colors=target.isatty())),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=number, force=True)
    for noisy in ("uvicorn", "uvicorn.access", "mcp", "websocket", "watchfiles", "pykka"):
        logging.getLogger(noisy).setLevel(max(number, logging.WARNING))


def _text(*, colors: bool) -> list[structlog.typing.Processor]:
    return [
        _harmless,
        _on_lines_of_its_own,
        structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=_traceback),
    ]


def _json() -> list[structlog.typing.Processor]:
    renderer = structlog.processors.JSONRenderer()
    return [structlog.processors.format_exc_info, _harmless, _common_first, renderer]


def _traceback(stream: TextIO, failure: structlog.typing.ExcInfo) -> None:
    """Write a plain traceback: rich's would show locals, including tokens."""
    written = io.StringIO()
    structlog.dev.plain_traceback(written, failure)
    stream.write(clean(written.getvalue()))


def _harmless(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Remove what a terminal would obey or hide from all names and values: they may be anybody's words."""
    return {
        clean(str(name)): value if name == "exc_info" else _cleaned(value) for name, value in event.items()
    }


def _cleaned(value: object) -> object:
    match value:
        case str():
            return clean(value)
        case bool() | int() | float() | None:
            return value
        case Mapping():
            return {clean(str(name)): _cleaned(each) for name, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return type(value)(_cleaned(each) for each in value)
        case _:
            shown = repr(value)
            harmless = clean(shown)
            return value if shown == harmless else harmless


def _on_lines_of_its_own(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Indent the further lines of a message, so that none of them can pose as an entry."""
    event["event"] = str(event.get("event", "")).replace("\n", "\n    ")
    return event


def _common_first(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Put the fields that every line has first."""
    return {name: event.pop(name) for name in ("timestamp", "level", "event")} | dict(event)


def _in_plain_words(
    _logger: structlog.typing.WrappedLogger, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Remove the traceback of a user error.

    Raises:
        DropEvent: The error prevented the start, so the command line is about to print it.
    """
    error = event.get("exc_info")
    cause = root_cause(error) if isinstance(error, BaseException) else None
    if not isinstance(cause, ConfigurationError):
        return event
    if event.get("stage") == "start" and event.get("incarnation") == 1:
        raise structlog.DropEvent
    del event["exc_info"]
    event["reason"] = str(cause)
    return event
