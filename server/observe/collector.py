"""Traces to an OpenTelemetry collector. The only module that imports OpenTelemetry."""

from importlib.metadata import version
from types import TracebackType
from typing import Self

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, get_current_span
from opentelemetry.trace import Span as OpenSpan
from opentelemetry.trace.propagation import set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from server.observe import tracing
from server.observe.tracing import Attributes, Span

_HEADER = "traceparent"
_KINDS = {"server": SpanKind.SERVER, "internal": SpanKind.INTERNAL}
_SEND_TIMEOUT_S = 5.0  # a collector that is gone must not hold up the server's end for long


class CollectorTracer:
    """See `Tracer`. Spans wait in memory, up to a bound, and are sent by a thread."""

    def __init__(self, processor: SpanProcessor) -> None:
        """Hand ended spans to `processor`."""
        service = {"service.name": "lodsmith", "service.version": version("lodsmith")}
        # Ended by `stop`, in order; a hook at the interpreter's exit would come after the log.
        self._provider = TracerProvider(resource=Resource.create(service), shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("lodsmith")
        self._propagator = TraceContextTextMapPropagator()

    def start(
        self,
        name: str,
        *,
        kind: tracing.SpanKind = "internal",
        parent: str = "",
        cause: str = "",
        attributes: Attributes | None = None,
    ) -> Span:
        """See `Tracer`."""
        caused_by = get_current_span(self._context(cause)).get_span_context()
        span = self._tracer.start_span(
            name,
            context=self._context(parent),
            kind=_KINDS[kind],
            attributes=attributes,
            links=(Link(caused_by),) if caused_by.is_valid else (),
        )
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, set_span_in_context(span))
        return _CollectedSpan(span, carrier[_HEADER])

    def stop(self) -> None:
        """See `Tracer`."""
        self._provider.shutdown()

    def _context(self, traceparent: str) -> Context:
        """The context that a text from outside names; an empty one for anything else."""
        return self._propagator.extract({_HEADER: traceparent}, Context())


class _CollectedSpan:
    """See `Span`."""

    def __init__(self, span: OpenSpan, traceparent: str) -> None:
        self._span = span
        self.traceparent = traceparent

    def end(self, error: str = "") -> None:
        if error:
            self._span.set_status(Status(StatusCode.ERROR, error))
        self._span.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Only the kind of error: its text may quote what a caller sent.
        self.end("" if kind is None else kind.__name__)


def collector_tracer(endpoint: str) -> CollectorTracer:
    """Return a tracer that sends to the collector at `endpoint`, as http://127.0.0.1:4318."""
    exporter = OTLPSpanExporter(
        endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_SEND_TIMEOUT_S
    )
    return CollectorTracer(BatchSpanProcessor(exporter))
