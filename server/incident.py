"""Errors that nobody foresaw: the log has them whole, callers get a number to find them there."""

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

REASON = "INTERNAL"


@dataclass(frozen=True, kw_only=True)
class Incident:
    """What callers are told of a defect: nothing of its text."""

    number: str

    @property
    def message(self) -> str:
        """For people."""
        return f"a defect in the server; its log has the details under incident {self.number}"

    @property
    def metadata(self) -> Mapping[str, str]:
        """The message's variables by name."""
        return {"incident": self.number}


def log_incident(logger: logging.Logger, where: str) -> Incident:
    """Write the error that is being handled to the log, with its traceback."""
    incident = Incident(number=uuid.uuid4().hex[:12])
    logger.exception("%s: incident %s", where, incident.number)
    return incident
