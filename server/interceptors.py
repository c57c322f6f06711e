"""What every call needs and no method should say: a request id, a log line, errors as statuses."""

import asyncio
import logging
import re
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from pipeline.errors import PipelineError
from server.errors import DETAILS_KEY, CallStatus, status_of, status_of_defect
from server.incident import log_incident
from server.refusals import InvalidRequest, Refusal

logger = logging.getLogger(__name__)

REQUEST_ID_KEY = "x-request-id"
request_id: ContextVar[str] = ContextVar("request_id", default="-")
"""The id of the call that is being answered, for log lines."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")

Context = grpc.aio.ServicerContext[Any, Any]  # Any: messages of every kind


class RequestIdFilter(logging.Filter):
    """Gives every log record the `request_id` of its call."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the field; let everything pass."""
        record.request_id = request_id.get()
        return True


class CallInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every method.

    A known error becomes its status. Any other exception becomes INTERNAL with an incident id, its
    text goes to the log only: grpc would send it to the client. Bytes that are no message become
    INVALID_ARGUMENT; grpc would say UNKNOWN.
    """

    # Any: grpc's handlers are untyped, and messages of every kind pass through.
    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], call: Any
    ) -> Any:
        """Return the method's handler, wrapped."""
        handler = await continuation(call)
        if handler is None:
            return None
        name = call.method.rsplit("/", 1)[-1]
        parse = _careful(handler.request_deserializer)
        if handler.request_streaming and handler.response_streaming:
            return handler  # only reflection, which is grpc's own
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(
                _stream_in(name, handler.stream_unary), parse, handler.response_serializer
            )
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                _stream_out(name, handler.unary_stream), parse, handler.response_serializer
            )
        return grpc.unary_unary_rpc_method_handler(
            _unary(name, handler.unary_unary), parse, handler.response_serializer
        )


class _Malformed:
    """Stands for bytes that are no message, until the call can answer them."""


def _careful(parse: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    def careful(content: bytes) -> Any:
        try:
            return parse(content)
        except DecodeError:
            return _Malformed()

    return careful


def _well_formed(request: Any) -> Any:
    if isinstance(request, _Malformed):
        raise InvalidRequest("the request is no message of this method's type")
    return request


def _unary(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    async def unary(request: Any, context: Context) -> Any:
        async with _call(name, context):
            return await method(_well_formed(request), context)

    return unary


def _stream_in(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    async def stream_in(requests: AsyncIterator[Any], context: Context) -> Any:
        async with _call(name, context):
            return await method((_well_formed(item) async for item in requests), context)

    return stream_in


def _stream_out(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    async def stream_out(request: Any, context: Context) -> AsyncIterator[Any]:
        async with _call(name, context):
            async for response in method(_well_formed(request), context):
                yield response

    return stream_out


@asynccontextmanager
async def _call(name: str, context: Context) -> AsyncIterator[None]:
    """Be around one call."""
    call_id = _id_of(context)
    request_id.set(call_id)
    context.set_trailing_metadata(((REQUEST_ID_KEY, call_id),))
    start_s = time.monotonic()
    ended = "OK"
    try:
        yield
    except (PipelineError, Refusal) as error:
        status = status_of(error)
        ended = f"{status.code.name}: {error}"
        await _abort(context, status, call_id)
    except (asyncio.CancelledError, GeneratorExit):
        ended = "left by the client"
        raise
    except grpc.aio.AbortError:  # grpc's own services
        ended = "aborted"
        raise
    except Exception:
        incident = log_incident(logger, name)
        ended = f"INTERNAL, incident {incident.number}"
        await _abort(context, status_of_defect(incident), call_id)
    finally:
        logger.info("%s: %s (%.0f ms)", name, ended, 1000 * (time.monotonic() - start_s))


def _id_of(context: Context) -> str:
    """Return the caller's request id where it is a decent one, else a new one."""
    for key, value in context.invocation_metadata() or ():
        if key == REQUEST_ID_KEY and isinstance(value, str) and _REQUEST_ID.fullmatch(value):
            return value
    return uuid.uuid4().hex


async def _abort(context: Context, status: CallStatus, call_id: str) -> None:
    metadata = ((REQUEST_ID_KEY, call_id), (DETAILS_KEY, status.details))
    await context.abort(status.code, status.message, metadata)
