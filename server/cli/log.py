"""Log lines of the server process."""

import logging

from server.calls.desk import RequestIdFilter


def start_log(level: str) -> None:
    """Write log lines of `level` and above to stderr, each with the id of its call."""
    handler = logging.StreamHandler()
    handler.addFilter(RequestIdFilter())
    handler.setFormatter(
        logging.Formatter("%(asctime)s %(levelname)s [%(request_id)s] %(name)s: %(message)s")
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)
