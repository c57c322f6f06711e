"""Log lines of the server and its workers: text for people, or JSON, one object per line.

Modules log through `logging` as everywhere. What a line is about, the call or the job, is noted
once where it is known (`note`) and stands on every line after that.
"""

import logging
import re

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from server.config.settings import LogFormat

_FIRST = ("time", "level", "logger", "event")
_NOTES = ("request_id", "principal", "project", "job", "stage", "attempt", "trace_id")

# Nothing logs tokens; this is for the text of an error that quotes what a caller sent.
_TOKEN = re.compile(r"(lodsmith_[0-9a-f]{12}_|[Bb]earer )[^\s'\",;]+")
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {10: "\\n"}


def set_up_logging(level: str, format: LogFormat, **bound: str) -> None:
    """Write log lines of this process to stderr.

    Args:
        level: DEBUG, INFO, WARNING or ERROR; lines below it are left out.
        format: "text" or "json".
        bound: What is on every line of this process.
    """

    def with_bound(logger: WrappedLogger, name: str, line: EventDict) -> EventDict:
        line.update(bound)
        return line

    before: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.ExtraAdder(allow=_NOTES),
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
        with_bound,
        _without_tokens,
    ]
    last: Processor = structlog.processors.JSONRenderer(ensure_ascii=False)
    if format == "text":
        last = _as_text
    without_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[without_meta, _in_order, last],
        )
    )
    logging.basicConfig(level=level, handlers=[handler], force=True)


def note(
    *,
    request_id: str | None = None,
    principal: str | None = None,
    project: str | None = None,
    job: str | None = None,
    stage: str | None = None,
    attempt: int | None = None,
    trace_id: str | None = None,
) -> None:
    """Put what is known on every further line of this asyncio task or thread; None: as it was.

    A task that is started later begins with the notes of the one that started it.
    """
    notes = {
        "request_id": request_id,
        "principal": principal,
        "project": project,
        "job": job,
        "stage": stage,
        "attempt": attempt,
        "trace_id": trace_id,
    }
    structlog.contextvars.bind_contextvars(
        **{name: value for name, value in notes.items() if value is not None}
    )


def forget_notes() -> None:
    """Begin anew: what comes next has nothing to do with what was."""
    structlog.contextvars.clear_contextvars()


def _without_tokens(logger: WrappedLogger, name: str, line: EventDict) -> EventDict:
    for key in ("event", "exception"):
        if key in line:
            line[key] = _TOKEN.sub(r"\1...", str(line[key]))
    return line


def _in_order(logger: WrappedLogger, name: str, line: EventDict) -> EventDict:
    """The keys in the order in which people look for them."""
    known = [key for key in (*_FIRST, *_NOTES) if key in line]
    return {key: line[key] for key in (*known, *(key for key in line if key not in known))}


def _as_text(logger: WrappedLogger, name: str, line: EventDict) -> str:
    """`time LEVEL logger: event  key=value ...`, then the traceback if there is one.

    An event stays on its line whatever a stranger put into it.
    """
    head = f"{line.pop('time')} {line.pop('level').upper()} {line.pop('logger')}: "
    event = str(line.pop("event")).translate(_CONTROL)
    exception = line.pop("exception", None)
    notes = "".join(f" {key}={value}" for key, value in line.items())
    return head + event + (f" {notes}" if notes else "") + (f"\n{exception}" if exception else "")
