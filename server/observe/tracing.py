"""Traces: what a call, a job, a task and a stage took, and what caused what.

A span is named by its `traceparent` (W3C Trace Context), a short text that goes with calls and
with tasks. Traces are optional: without a collector to send them to, spans are `NO_SPAN`, and
OpenTelemetry is not imported.

    call ......... child of the caller's span, if the call names one
    job .......... a trace of its own, because it outlives the call: linked to it
      task ....... child of its job
        stage .... child of its task
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Literal, Protocol, Self

from pipeline.errors import InvalidInput

Attributes = Mapping[str, str | int | float | bool]
SpanKind = Literal["server", "internal"]


class Span(Protocol):
    """Something that takes time. As a `with` block it ends with it, failed if an error passes."""

    @property
    def traceparent(self) -> str:
        """Its name for those that it causes; "" where nothing is traced."""

    def end(self, error: str = "") -> None:
        """End it. error: why it failed, a word of the program; "" when all is well."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class Tracer(Protocol):
    """Starts spans and sends them away when they have ended."""

    def start(
        self,
        name: str,
        *,
        kind: SpanKind = "internal",
        parent: str = "",
        cause: str = "",
        attributes: Attributes | None = None,
    ) -> Span:
        """Start a span.

        Args:
            name: What it is; few different ones.
            kind: "server" for what another program waits for.
            parent: `traceparent` of the span that it is a part of; anything else starts a trace.
            cause: `traceparent` of a span that it is linked to, and no part of.
            attributes: What else is known. Never prompts, tokens or names of files.
        """

    def stop(self) -> None:
        """Send what is left; takes up to some seconds. Nothing is traced afterwards."""


def make_tracer(endpoint: str) -> Tracer:
    """Return a tracer that sends to an OpenTelemetry collector.

    Args:
        endpoint: Its address, as http://127.0.0.1:4318; "" traces nothing.

    Raises:
        InvalidInput: If OpenTelemetry is not installed.
    """
    if not endpoint:
        return NoTracer()
    try:
        from server.observe.collector import collector_tracer
    except ModuleNotFoundError as error:
        raise InvalidInput(
            f"otlp_endpoint is set, and {error.name} is not installed: "
            "install lodsmith[telemetry], or leave otlp_endpoint empty"
        ) from error
    return collector_tracer(endpoint)


def start_call(tracer: Tracer, rpc: str, transport: str, caller: str) -> Span:
    """Start the span of a call. caller: the `traceparent` that came with it, or ""."""
    attributes = {"rpc.system": transport, "rpc.method": rpc}
    return tracer.start(rpc, kind="server", parent=caller, attributes=attributes)


def start_job(tracer: Tracer, uid: str, call: str) -> Span:
    """Start the span of a job. call: `traceparent` of the call that made it, or ""."""
    return tracer.start("job", cause=call, attributes={"lodsmith.job": uid})


class TaskSpans:
    """The spans of one try at a task and of its stages, from what its worker reports.

    They are started here and not in the worker: a worker reads files of strangers and is given no
    way to the network, and what it was at when it died is told all the same.
    """

    def __init__(self, tracer: Tracer, job: str, kind: str, uid: str, attempt: int) -> None:
        """Start the task's span.

        Args:
            tracer: Where spans go.
            job: `traceparent` of its job.
            kind: Of the task.
            uid: Of its job.
            attempt: 1, 2, ...
        """
        self._tracer = tracer
        attributes: Attributes = {"lodsmith.job": uid, "lodsmith.attempt": attempt}
        self._task = tracer.start(kind, parent=job, attributes=attributes)
        self._stage_name = ""
        self._stage: Span = NO_SPAN

    @property
    def traceparent(self) -> str:
        """Of the task, for its worker."""
        return self._task.traceparent

    def progressed(self, stage: str) -> None:
        """A stage reported: the one before it has ended."""
        if stage != self._stage_name:
            self._stage.end()
            self._stage_name = stage
            self._stage = self._tracer.start(stage, parent=self._task.traceparent)

    def end(self, error: str = "") -> None:
        """The task has ended. error: its reason; "" when all is well."""
        self._stage.end(error)
        self._task.end(error)


def trace_id(traceparent: str) -> str:
    """Return the part of a `traceparent` that all spans of a trace share; "" of ""."""
    return traceparent[3:35]


class _NoSpan:
    """Stands for a span where nothing is traced."""

    traceparent = ""

    def end(self, error: str = "") -> None:
        """Do nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


NO_SPAN: Span = _NoSpan()


class NoTracer:
    """Traces nothing."""

    def start(
        self,
        name: str,
        *,
        kind: SpanKind = "internal",
        parent: str = "",
        cause: str = "",
        attributes: Attributes | None = None,
    ) -> Span:
        """Return `NO_SPAN`."""
        return NO_SPAN

    def stop(self) -> None:
        """Do nothing."""
