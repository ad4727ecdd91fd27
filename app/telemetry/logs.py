"""One log chain for the application, for libraries and for gunicorn: JSON lines, or colours on a terminal.

Everything goes to stderr. A record from the standard library (gunicorn's own among them) passes through the same
processors as ours, so one parser reads the whole stream.
"""

import json
import logging
import logging.config
import sys
from contextvars import ContextVar
from typing import Any

import orjson
import structlog
from structlog.typing import Processor

from app.telemetry.outlet import Outlet

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""The id of the request this thread is answering; every log line carries it."""


class Stderr(logging.Handler):
    """Lines on stderr. When nobody takes them they are lost, and how many is said as soon as somebody does."""

    def __init__(self, descriptor: int = 2) -> None:
        super().__init__()
        self._outlet = Outlet(descriptor)
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        """See ``logging.Handler.emit``; a line that cannot be written ends nobody's work."""
        try:
            self._emit(record)
        except Exception:  # noqa: BLE001 - whatever is wrong with the record
            self.handleError(record)

    def _emit(self, record: logging.LogRecord) -> None:
        if not self._offered(record):
            self._lost += 1
        elif self._lost:
            told = {"name": "sluice.logs", "levelname": "WARNING", "msg": "log_lines_lost: %d", "args": (self._lost,)}
            if self._offered(logging.makeLogRecord(told)):
                self._lost = 0

    def _offered(self, record: logging.LogRecord) -> bool:
        return self._outlet.offer(self.format(record).encode(errors="backslashreplace") + b"\n")


def configure_logs(level: str, style: str) -> None:
    """Set up structlog and the standard library; ``style`` is auto, json or console."""
    shared = _shared_processors()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    logging.config.dictConfig(logging_config(level, wants_console(style)))


def wants_console(style: str) -> bool:
    """Colours for a person at a terminal, JSON for everything else."""
    return style == "console" or (style == "auto" and sys.stderr.isatty())


def logging_config(level: str, pretty: bool) -> dict[str, Any]:
    """The ``dictConfig`` that gunicorn and the application share."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"chain": {"()": _formatter, "pretty": pretty}},
        "handlers": {"stderr": {"()": Stderr, "formatter": "chain"}},
        "root": {"handlers": ["stderr"], "level": level.upper()},
        "loggers": {
            "gunicorn.error": {"level": level.upper(), "handlers": [], "propagate": True},
            "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
        },
    }


def logger(name: str) -> Any:
    """A structlog logger bound to the standard-library logger of that name."""
    return structlog.stdlib.get_logger(name)


def _formatter(pretty: bool) -> logging.Formatter:
    render: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if pretty:
        render.append(structlog.dev.ConsoleRenderer())
    else:
        render += [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(serializer=_dumps)]
    return structlog.stdlib.ProcessorFormatter(foreign_pre_chain=_shared_processors(), processors=render)


def _shared_processors() -> list[Processor]:
    return [
        _add_request_id,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _add_request_id(_: Any, __: str, event: Any) -> Any:
    current = request_id.get()
    if current:
        event["request_id"] = current
    return event


def _dumps(event: Any, **_: Any) -> str:
    """Whole numbers beyond 64 bits and half characters are beyond orjson; they are written all the same."""
    try:
        return orjson.dumps(event, default=str).decode()
    except TypeError:
        return json.dumps(event, default=str)
