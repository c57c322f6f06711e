"""The desk: what happens around each call, whatever brought it.

It gives the call an id and a log line, and turns errors into statuses. A known error keeps its
text. Any other one becomes INTERNAL with an incident number: its text goes to the log only.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from contextvars import ContextVar

from pipeline.errors import PipelineError
from server.access.principal import LOCAL
from server.calls import Call, CallHead
from server.calls.errors import CallStatus, status_of, status_of_defect
from server.calls.messages import Request, Response, well_formed
from server.calls.rpcs import Rpc
from server.incident import log_incident
from server.refusals import Refusal

logger = logging.getLogger(__name__)

request_id: ContextVar[str] = ContextVar("request_id", default="-")
"""The id of the call that is being answered, for log lines."""


class RequestIdFilter(logging.Filter):
    """Gives every log record the `request_id` of its call."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the field; let everything pass."""
        record.request_id = request_id.get()
        return True


class CallEnded(Exception):
    """The call ends with an error that its transport has to tell."""

    def __init__(self, status: CallStatus) -> None:
        super().__init__(status.message)
        self.status = status


class Desk:
    """Answers the calls of all transports. One per server; lives on the event loop."""

    async def answer(
        self, rpc: Rpc, head: CallHead, request: Request | AsyncIterator[Request]
    ) -> Response:
        """Answer a call that gives one response. Raises `CallEnded`."""
        async with self._call(rpc, head) as call:
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
        async with (
            self._call(rpc, head) as call,
            aclosing(rpc.method(well_formed(request), call)) as responses,
        ):
            async for response in responses:
                yield response

    @asynccontextmanager
    async def _call(self, rpc: Rpc, head: CallHead) -> AsyncIterator[Call]:
        """Be around one call."""
        request_id.set(head.request_id)
        start_s = time.monotonic()
        ended = "OK"
        try:
            yield Call(name=rpc.name, head=head, principal=LOCAL)
        except (PipelineError, Refusal) as error:
            status = status_of(error)
            ended = f"{status.code.name}: {error}"
            raise CallEnded(status) from error
        except (asyncio.CancelledError, GeneratorExit):
            ended = "left by the client"
            raise
        except Exception as error:
            incident = log_incident(logger, rpc.name)
            ended = f"INTERNAL, incident {incident.number}"
            raise CallEnded(status_of_defect(incident)) from error
        finally:
            logger.info("%s: %s (%.0f ms)", rpc.name, ended, 1000 * (time.monotonic() - start_s))
