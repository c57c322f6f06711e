"""The desk: what happens around each call, whatever brought it.

It admits the caller, keeps to the rates, and has a log line, a metric, a span and, for calls that
change or hand out something, an audit entry for each call. Errors become statuses: a known one
keeps its text, any other is INTERNAL with an incident number, and its text goes to the log only.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager, contextmanager

from pipeline.errors import PipelineError
from server.access.audit import AuditEntry, AuditLog, is_audited
from server.access.gate import Gate
from server.access.principal import Principal, Scope
from server.access.rate_limit import RateLimit
from server.calls import Call, CallHead
from server.calls.errors import CallStatus, status_of, status_of_defect
from server.calls.messages import Request, Response, well_formed
from server.calls.rpcs import Rpc
from server.incident import REASON as INTERNAL
from server.incident import log_incident
from server.observe.logs import forget_notes, note
from server.observe.metrics import Metrics
from server.observe.tracing import Tracer, start_call, trace_id
from server.refusals import QuotaExceeded, Refusal

logger = logging.getLogger(__name__)


class CallEnded(Exception):
    """The call ends with an error that its transport has to tell."""

    def __init__(self, status: CallStatus) -> None:
        super().__init__(status.message)
        self.status = status


class Desk:
    """Answers the calls of all transports. One per server; lives on the event loop."""

    def __init__(
        self,
        *,
        gate: Gate,
        rates: RateLimit | None,
        audit: AuditLog,
        metrics: Metrics,
        tracer: Tracer,
        max_streams: int,
    ) -> None:
        """Have everything that a call meets on its way.

        Args:
            gate: Lets it in, or not.
            rates: How many calls a project may make. None: any number.
            audit: Remembers who changed or took what.
            metrics: Counts it.
            tracer: Has a span for it.
            max_streams: How many streams of responses a project may have open.
        """
        self._gate = gate
        self._rates = rates
        self._audit = audit
        self._metrics = metrics
        self._tracer = tracer
        self._max_streams = max_streams
        self._streams: Counter[str] = Counter()

    async def answer(
        self, rpc: Rpc, head: CallHead, request: Request | AsyncIterator[Request]
    ) -> Response:
        """Answer a call that gives one response. Raises `CallEnded`."""
        async with self._call(rpc.name, rpc.scope, head) as call:
            if isinstance(request, AsyncIterator):
                requests = (well_formed(item) async for item in request)
                response: Response = await rpc.method(requests, call)
            else:
                response = await rpc.method(well_formed(request), call)
            return response

    async def answers(
        self, rpc: Rpc, head: CallHead, request: Request
    ) -> AsyncGenerator[Response, None]:
        """Answer a call that gives a stream of responses. Raises `CallEnded`."""
        async with self._call(rpc.name, rpc.scope, head) as call:
            with self._stream(call.project):
                async with aclosing(rpc.method(well_formed(request), call)) as responses:
                    async for response in responses:
                        yield response

    async def admit(self, name: str, scope: Scope, head: CallHead) -> None:
        """Let in what is no call of the contract, but is for some callers only.

        Raises `CallEnded`.
        """
        async with self._call(name, scope, head):
            pass

    @asynccontextmanager
    async def _call(self, name: str, scope: Scope | None, head: CallHead) -> AsyncIterator[Call]:
        """Be around one call."""
        forget_notes()
        note(request_id=head.request_id)
        start_s = time.monotonic()
        code, reason, told = "OK", "", "OK"
        principal: Principal | None = None
        call: Call | None = None
        span = start_call(self._tracer, name, head.transport, head.metadata.get("traceparent", ""))
        try:
            principal = self._gate.admit(
                head.metadata.get("authorization"),
                peer_common_name=head.peer_common_name,
                peer_host=head.peer_host,
            )
            note(
                principal=principal.name,
                project=principal.project,
                trace_id=trace_id(span.traceparent) or None,
            )
            if self._rates is not None:
                self._rates.take(principal.project)
            if scope is not None:
                principal.check(scope)
            call = Call(name=name, head=head, principal=principal, traceparent=span.traceparent)
            yield call
        except (PipelineError, Refusal) as error:
            status = status_of(error)
            code, reason = status.code.name, error.reason
            # What is wrong with a request may quote it, and prompts do not belong into the log.
            told = f"{code}: {reason if code == 'INVALID_ARGUMENT' else error}"
            raise CallEnded(status) from error
        except (asyncio.CancelledError, GeneratorExit):
            code, told = "CANCELLED", "left by the client"
            raise
        except Exception as error:
            incident = log_incident(logger, name)
            code, reason = "INTERNAL", INTERNAL
            told = f"INTERNAL, incident {incident.number}"
            raise CallEnded(status_of_defect(incident)) from error
        finally:
            seconds = time.monotonic() - start_s
            logger.info("%s: %s (%.0f ms)", name, told, 1000 * seconds)
            self._metrics.call_ended(name, head.transport, code, seconds)
            span.end(reason)
            if is_audited(name, reason):
                await self._audit.record(
                    AuditEntry(
                        request_id=head.request_id,
                        principal=principal.name if principal else "",
                        project=principal.project if principal else "",
                        peer=head.peer_host,
                        rpc=name,
                        resource=call.resource if call else "",
                        code=code,
                        reason=reason,
                    )
                )

    @contextmanager
    def _stream(self, project: str) -> Iterator[None]:
        """Be around one stream of responses. Raises `QuotaExceeded`."""
        if self._streams[project] >= self._max_streams:
            raise QuotaExceeded(
                f"the project has {self._max_streams} streams open, which is the most it may; "
                "close some, or ask with ListJobEvents",
                metadata={"quota": "streams", "limit": str(self._max_streams)},
                retry_after_s=10.0,
            )
        self._streams[project] += 1
        try:
            yield
        finally:
            self._streams[project] -= 1
            if not self._streams[project]:
                del self._streams[project]  # projects come and go
