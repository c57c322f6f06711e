"""Spans: what is a part of what, and what happens without a collector."""

import gzip
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

from pipeline.errors import InvalidInput
from server.observe.collector import CollectorTracer
from server.observe.tracing import (
    NO_SPAN,
    NoTracer,
    TaskSpans,
    make_tracer,
    start_call,
    start_job,
    trace_id,
)

CALLER = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
UID = "0123456789abcdef" * 2


class Collected:
    """A tracer, and what a collector has got from it."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracer = CollectorTracer(SimpleSpanProcessor(self._exporter))

    @property
    def names(self) -> list[str]:
        """In the order of their ends."""
        return [span.name for span in self._spans]

    def span(self, name: str) -> ReadableSpan:
        """The only one of that name."""
        (found,) = (span for span in self._spans if span.name == name)
        return found

    @property
    def _spans(self) -> Sequence[ReadableSpan]:
        return self._exporter.get_finished_spans()


@pytest.fixture
def collected() -> Iterator[Collected]:
    one = Collected()
    yield one
    one.tracer.stop()


def identity(span: ReadableSpan) -> str:
    """The `traceparent` of a span, by another way than the code's."""
    context = span.context
    assert context is not None
    return f"{format_trace_id(context.trace_id)}-{format_span_id(context.span_id)}"


def parent_of(span: ReadableSpan) -> str:
    assert span.parent is not None
    return f"{format_trace_id(span.parent.trace_id)}-{format_span_id(span.parent.span_id)}"


def test_a_call_is_a_part_of_its_caller_s_trace(collected: Collected) -> None:
    with start_call(collected.tracer, "CreateJob", "grpc", CALLER) as span:
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", span.traceparent)
    call = collected.span("CreateJob")
    assert parent_of(call) == CALLER[3:52]
    assert identity(call) == span.traceparent[3:52]
    assert trace_id(span.traceparent) == "a" * 32
    assert call.kind is SpanKind.SERVER
    assert call.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize("caller", ["", "nonsense", "00-" + "0" * 32 + "-" + "b" * 16 + "-01"])
def test_a_caller_without_a_trace_gets_a_new_one(collected: Collected, caller: str) -> None:
    start_call(collected.tracer, "GetJob", "connect", caller).end()
    assert collected.span("GetJob").parent is None


def test_what_a_caller_does_not_record_is_not_recorded(collected: Collected) -> None:
    start_call(collected.tracer, "GetJob", "grpc", CALLER[:-1] + "0").end()
    assert collected.names == []


def test_a_job_is_a_trace_of_its_own_linked_to_its_call(collected: Collected) -> None:
    call = start_call(collected.tracer, "CreateJob", "grpc", CALLER)
    job = start_job(collected.tracer, UID, call.traceparent)
    call.end()
    job.end()
    span = collected.span("job")
    assert span.parent is None
    (link,) = span.links
    assert format_span_id(link.context.span_id) == call.traceparent[36:52]
    assert (span.attributes or {})["lodsmith.job"] == UID
    assert trace_id(job.traceparent) != "a" * 32


def test_stages_are_parts_of_their_task_and_that_of_its_job(collected: Collected) -> None:
    job = start_job(collected.tracer, UID, "")
    task = TaskSpans(collected.tracer, job.traceparent, "build", UID, 2)
    for stage in ("unwrap", "unwrap", "bake", "export"):
        task.progressed(stage)
    task.end()
    job.end()
    assert collected.names == ["unwrap", "bake", "export", "build", "job"]
    build = collected.span("build")
    assert parent_of(build) == job.traceparent[3:52]
    assert (build.attributes or {})["lodsmith.attempt"] == 2
    assert identity(build) == task.traceparent[3:52]
    for stage in ("unwrap", "bake", "export"):
        assert parent_of(collected.span(stage)) == identity(build)
    assert (collected.span("unwrap").end_time or 0) <= (collected.span("bake").start_time or 0)


def test_a_failed_task_fails_the_stage_it_was_at(collected: Collected) -> None:
    task = TaskSpans(collected.tracer, "", "build", UID, 1)
    task.progressed("unwrap")
    task.progressed("bake")
    task.end("WORKER_LOST")
    failed = {name for name in collected.names if collected.span(name).status.description}
    assert failed == {"bake", "build"}
    assert collected.span("bake").status.description == "WORKER_LOST"


def test_the_text_of_an_error_is_not_told(collected: Collected) -> None:
    with (
        pytest.raises(ValueError, match="dragon"),
        start_call(collected.tracer, "CreateJob", "grpc", ""),
    ):
        raise ValueError("a dragon")
    assert collected.span("CreateJob").status.description == "ValueError"
    assert "dragon" not in collected.span("CreateJob").to_json()


def test_nothing_is_traced_unless_a_collector_is_named() -> None:
    tracer = make_tracer("")
    assert isinstance(tracer, NoTracer)
    with start_call(tracer, "CreateJob", "grpc", CALLER) as span:
        assert span is NO_SPAN
        assert trace_id(span.traceparent) == ""
    task = TaskSpans(tracer, "", "build", UID, 1)
    task.progressed("bake")
    task.end()
    assert task.traceparent == ""
    tracer.stop()


def test_spans_reach_a_collector() -> None:
    received: list[tuple[str, ExportTraceServiceRequest]] = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers["content-encoding"] == "gzip":
                body = gzip.decompress(body)
            received.append((self.path, ExportTraceServiceRequest.FromString(body)))
            self.send_response(200)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Endpoint) as collector:
        threading.Thread(target=collector.serve_forever, daemon=True).start()
        tracer = make_tracer(f"http://127.0.0.1:{collector.server_port}/")
        start_call(tracer, "CreateJob", "grpc", CALLER).end()
        tracer.stop()
        collector.shutdown()
    ((path, request),) = received
    assert path == "/v1/traces"
    (resource,) = request.resource_spans
    attributes = {item.key: item.value.string_value for item in resource.resource.attributes}
    assert attributes["service.name"] == "lodsmith"
    (span,) = resource.scope_spans[0].spans
    assert (span.name, span.trace_id.hex()) == ("CreateJob", "a" * 32)


def test_a_collector_without_the_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "server.observe.collector", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http", None)
    monkeypatch.delitem(
        sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", raising=False
    )
    with pytest.raises(InvalidInput, match=r"is not installed: install lodsmith\[telemetry\]"):
        make_tracer("http://127.0.0.1:4318")
