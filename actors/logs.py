"""Logging: constant event names and key-values, to standard error."""

import logging
import sys
from typing import TextIO

import structlog


def set_up_logging(level: str, stream: TextIO | None = None) -> None:
    """Log from this level on.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``.
        stream: Where to; standard error by default.
    """
    target = stream or sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.stdlib.filter_by_level,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(target)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.dev.ConsoleRenderer(
                    colors=target.isatty(),
                    exception_formatter=structlog.dev.plain_traceback,  # rich's would show locals: tokens among them
                ),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=number, force=True)
    for noisy in ("uvicorn", "uvicorn.access", "mcp", "websocket", "watchfiles", "pykka"):
        logging.getLogger(noisy).setLevel(max(number, logging.WARNING))
