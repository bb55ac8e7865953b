"""Structured events: JSON lines in production, readable lines elsewhere. A trace shows no values: they hold secrets."""

import structlog
from django.conf import settings


def configure() -> None:
    """Called once at start. Without it structlog prints the local variables of every frame of a traceback."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if settings.PRODUCTION:
        shape: list[structlog.typing.Processor] = [
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ]
    else:
        shape = [structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)]
    structlog.configure(processors=[*shared, *shape], cache_logger_on_first_use=True)
