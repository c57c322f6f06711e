"""Log lines of the server process."""

import logging

from server.calls.desk import RequestIdFilter
from server.config.settings import LogFormat
from server.observe.logs import set_up_logging


def start_log(level: str, format: LogFormat = "text") -> None:
    """Write log lines of `level` and above to stderr, each with the id of its call."""
    set_up_logging(level, format)
    for handler in logging.getLogger().handlers:
        handler.addFilter(RequestIdFilter())
