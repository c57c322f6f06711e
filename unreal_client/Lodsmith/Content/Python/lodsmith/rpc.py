"""gRPC-Web over HTTP/1.1 with the standard library: one connection per call, answers streamed."""

import base64
import contextlib
import http.client
import ipaddress
import json
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from enum import IntEnum
from typing import Callable, Optional, TypeVar
from urllib.parse import unquote, urlsplit

from lodsmith.schema import METHODS
from lodsmith.wire import Message, NotAMessage

T = TypeVar("T")
Reader = Callable[[int], bytes]  # up to so many bytes; none at the end

CONNECT_TIMEOUT_S = 10.0
CALL_TIMEOUT_S = 30.0
IDLE_TIMEOUT_S = 60.0  # the server says something every 20 s at least, see `Client.follow`
MAX_MESSAGE_BYTES = 64 << 20

_MAX_TRAILERS_BYTES = 64 << 10
_MAX_ERROR_BYTES = 64 << 10
_MESSAGE, _TRAILERS = 0x00, 0x80
_TOKEN = re.compile(r"[!-~]+")


# How a call ended: gRPC's status codes.
Code = IntEnum(
    "Code",
    "OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS "
    "PERMISSION_DENIED RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED "
    "INTERNAL UNAVAILABLE DATA_LOSS UNAUTHENTICATED",
    start=0,
)
# What gRPC's clients make of the HTTP status of somebody in between.
_OF_HTTP = {
    **dict.fromkeys((429, 502, 503, 504), Code.UNAVAILABLE),
    400: Code.INTERNAL,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.UNIMPLEMENTED,
}


class BadAddress(ValueError):
    """A server's address or its token cannot be used. The message names no part of the token."""


class CallFailed(Exception):
    """A call failed. The text is for people: what is wrong and the way out.

    Attributes:
        code: How it ended.
        reason: A name of `ErrorReason`; "" where it was not the server that said no.
        metadata: The variables of the message, by name.
        violations: The fields of the request that are wrong, with a sentence each.
        retry_after_s: When it may help to try again. None: the server did not say.
    """

    def __init__(
        self, code: Code, message: str, reason: str = "", retry_after_s: Optional[float] = None
    ) -> None:
        super().__init__(message or code.name)
        self.code = code
        self.reason = reason
        self.metadata: dict[str, str] = {}
        self.violations: list[tuple[str, str]] = []
        self.retry_after_s = retry_after_s

    @property
    def is_transient(self) -> bool:
        """Whether the same call may succeed soon without anybody doing anything."""
        # CANCELLED that nobody here asked for is a server that has too much to do.
        codes = (Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.CANCELLED)
        return self.code in codes or self.reason in ("RATE_LIMITED", "UPLOAD_BUSY")


class Stopped(Exception):
    """Somebody here asked to stop."""


class Stop:
    """Ends calls from another thread, also those that wait for the server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._event = threading.Event()
        self._children: list[Stop] = []
        self._sockets: list[socket.socket] = []

    @property
    def is_set(self) -> bool:
        """Whether it was asked to stop."""
        return self._event.is_set()

    def child(self) -> "Stop":
        """Return one that stops with this one, and can stop alone."""
        child = Stop()
        with self._lock:
            self._children.append(child)
        if self.is_set:
            child.set()
        return child

    def set(self) -> None:
        """Stop, for good. From any thread; safe to repeat."""
        self._event.set()
        with self._lock:
            children, sockets = list(self._children), list(self._sockets)
        for child in children:
            child.set()
        for one in sockets:
            _shut(one)

    def check(self) -> None:
        """Raise `Stopped` if it was asked to stop."""
        self.wait(0)

    def wait(self, seconds: float) -> None:
        """Wait so long, or raise `Stopped` as soon as it is asked to stop."""
        if self._event.wait(seconds):
            raise Stopped

    def hold(self, one: socket.socket) -> None:
        """Shut a socket when it is asked to stop."""
        with self._lock:
            self._sockets.append(one)
        if self.is_set:
            _shut(one)

    def release(self, one: socket.socket) -> None:
        """Forget a socket."""
        with self._lock:
            if one in self._sockets:
                self._sockets.remove(one)


def _shut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it has ended by itself
        one.shutdown(socket.SHUT_RDWR)


class Exchange:
    """An answer whose head is there and good. Read it, then close it."""

    def __init__(
        self, server: "Server", connection: http.client.HTTPConnection, limit: float, stop: Stop
    ) -> None:
        self._server = server
        self._connection = connection
        self._deadline_s = time.monotonic() + limit if limit else 0.0
        self._stop = stop
        self._socket: Optional[socket.socket] = None
        self._response: Optional[http.client.HTTPResponse] = None

    def close(self) -> None:
        """End it, whether all was read or not."""
        if self._socket is not None:
            self._stop.release(self._socket)
        if self._response is not None:
            self._response.close()
        self._connection.close()

    @property
    def response(self) -> http.client.HTTPResponse:
        """Status and headers."""
        assert self._response is not None
        return self._response

    def send(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> None:
        """Send the request and wait for the answer's head."""

        def talk() -> None:
            self._connection.connect()
            # The response takes the connection's own reference away; stopping needs one.
            self._socket = own = self._connection.sock
            self._stop.hold(own)
            own.settimeout(self._server.idle_timeout_s)
            self._connection.request(method, path, body or None, headers)
            self._response = self._connection.getresponse()

        self._guarded(talk)
        if self.response.status not in (200, 206):
            body = b""
            while len(body) < _MAX_ERROR_BYTES and (part := self.read(_MAX_ERROR_BYTES)):
                body += part
            raise _http_failure(self.response, body)

    def read(self, count: int) -> bytes:
        """Read up to so many bytes; none at the end."""
        return self._guarded(lambda: self.response.read1(count))

    def cut(self) -> CallFailed:
        """The error of an answer that ended too early."""
        return CallFailed(Code.UNAVAILABLE, f"the connection to {self._server.address} was cut")

    def _guarded(self, act: Callable[[], T]) -> T:
        self._stop.check()
        try:
            result = act()
        except socket.timeout as error:
            self._stop.check()
            raise CallFailed(
                Code.DEADLINE_EXCEEDED, f"the server at {self._server.address} does not answer"
            ) from error
        except ssl.SSLCertVerificationError as error:
            raise CallFailed(
                Code.FAILED_PRECONDITION,
                f"the certificate of {self._server.address} is not trusted "
                f"({error.verify_message}); name its CA as caFile in Config/Lodsmith.json",
            ) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            # ValueError: what http.client raises for a chunk length that is none
            self._stop.check()
            if self._response is not None:
                raise self.cut() from error
            raise CallFailed(
                Code.UNAVAILABLE,
                f"there is no server at {self._server.address} ({error}); "
                "start one with `lodsmith serve`, or correct the address",
            ) from error
        self._stop.check()
        if self._deadline_s and time.monotonic() > self._deadline_s:
            raise CallFailed(
                Code.DEADLINE_EXCEEDED, f"the server at {self._server.address} takes too long"
            )
        return result


class Server:
    """Where a server is, and the token for it. Holds no connection."""

    def __init__(
        self,
        address: str,
        token: str = "",
        *,
        ca_file: str = "",
        call_timeout_s: float = CALL_TIMEOUT_S,
        idle_timeout_s: float = IDLE_TIMEOUT_S,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        """Check an address.

        Args:
            address: Of the HTTP port: "http://127.0.0.1:50052". https:// for TLS.
            token: Goes with every call. "": none.
            ca_file: PEM of the CA that issued the certificate. "": those that Python knows.
            call_timeout_s: The longest that a call without a stream may take.
            idle_timeout_s: The longest silence.
            max_message_bytes: The largest message that is taken.

        Raises:
            BadAddress: If it is none, or the token would leave this machine unencrypted.
        """
        self.address = address
        self.call_timeout_s = call_timeout_s
        self.idle_timeout_s = idle_timeout_s
        self.max_message_bytes = max_message_bytes
        self._host, self._port, self._is_tls = _place(address)
        if token and not _TOKEN.fullmatch(token):
            raise BadAddress("a token has letters, digits and signs only; copy it again")
        if token and not self._is_tls and not _is_loopback(self._host):
            raise BadAddress(
                f"the token would go to {self._host} unencrypted; write https://, or use an SSH "
                "tunnel and its end on this machine"
            )
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._context = None
        if self._is_tls:
            try:
                self._context = ssl.create_default_context(cafile=ca_file or None)
            except OSError as error:
                raise BadAddress(f"the CA {ca_file} cannot be read: {error.strerror}") from error

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Optional[dict[str, str]] = None,
        *,
        stop: Stop,
        limit_s: float = 0.0,
    ) -> Exchange:
        """Send a request; return its answer once the head is there and good.

        Args:
            limit_s: The longest that the whole exchange may take. 0: only silence ends it.

        Raises:
            CallFailed: If there is no answer, or its HTTP status is no success.
            Stopped: If `stop` was set.
        """
        exchange = Exchange(self, self._connection(), limit_s, stop)
        with contextlib.ExitStack() as ends:
            ends.callback(exchange.close)
            exchange.send(method, path, body, {**self._headers, **(headers or {})})
            ends.pop_all()
        return exchange

    def _connection(self) -> http.client.HTTPConnection:
        place, timeout_s = (self._host, self._port), CONNECT_TIMEOUT_S
        if self._context is None:
            return http.client.HTTPConnection(*place, timeout=timeout_s)
        return http.client.HTTPSConnection(*place, timeout=timeout_s, context=self._context)

    def call(self, method: str, request: Message, stop: Stop) -> Message:
        """Make a unary call. Raises `CallFailed` and `Stopped`."""
        answers = list(self.stream(method, request, stop, limit_s=self.call_timeout_s))
        if len(answers) != 1:
            raise _broken(f"{method} was answered by {len(answers)} messages")
        return answers[0]

    def stream(
        self, method: str, request: Message, stop: Stop, limit_s: float = 0.0
    ) -> Iterator[Message]:
        """Yield the messages of a call as they come; return when it has ended well.

        Raises:
            CallFailed: If it ended otherwise. UNAVAILABLE: it was cut.
            Stopped: If `stop` was set.
        """
        content = request.to_bytes()
        headers = {"Content-Type": "application/grpc-web+proto", "X-Grpc-Web": "1"}
        body = struct.pack(">BI", _MESSAGE, len(content)) + content
        exchange = self.request("POST", METHODS[method], body, headers, stop=stop, limit_s=limit_s)
        with contextlib.closing(exchange):
            content_type = exchange.response.getheader("Content-Type", "")
            if not re.match(r"application/grpc-web(\+proto)?\s*(;|$)", content_type):
                raise CallFailed(
                    Code.UNKNOWN,
                    f"whatever answers at {self.address} is no Lodsmith server: it sends "
                    f"{content_type or 'nothing'!r}; give the address of the HTTP port",
                )
            for frame in frames(exchange.read, self.max_message_bytes):
                try:
                    yield Message.parse(f"{method}Response", frame)
                except NotAMessage as error:
                    raise _broken(str(error)) from error


def frames(read: Reader, max_message_bytes: int) -> Iterator[bytes]:
    """Yield the messages of an answer's body; return after trailers that say OK.

    Args:
        read: Reads the body.
        max_message_bytes: A longer one is refused by its length, before its bytes are read.

    Raises:
        CallFailed: As the trailers say; UNAVAILABLE where there are none, because it was cut.
    """
    while True:
        flags, size = struct.unpack(">BI", _exactly(read, 5))
        if flags not in (_MESSAGE, _TRAILERS):  # a compressed frame, too: nobody asked for it
            raise _broken(f"a frame has the flags 0x{flags:02X}")
        limit = max_message_bytes if flags == _MESSAGE else _MAX_TRAILERS_BYTES
        if size > limit:
            raise CallFailed(
                Code.RESOURCE_EXHAUSTED,
                f"a message of the server has {size:,} bytes, at most {limit:,} are taken",
            )
        content = _exactly(read, size)
        if flags == _TRAILERS:
            _check_trailers(content.decode("utf-8", "replace"))
            return
        yield content


def _exactly(read: Reader, count: int) -> bytes:
    parts = []
    while count:
        part = read(min(count, 1 << 20))
        if not part:
            raise CallFailed(Code.UNAVAILABLE, "the server's answer was cut")
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _check_trailers(text: str) -> None:
    lines: dict[str, str] = {}
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon and name:
            lines[name.strip().lower()] = value.strip()
    if "grpc-status" not in lines:
        raise _broken("its trailers have no grpc-status")
    known = {str(code.value): code for code in Code}
    code = known.get(lines["grpc-status"], Code.UNKNOWN)
    if code is Code.OK:
        return
    error = CallFailed(code, unquote(lines.get("grpc-message", "")))
    _add_details(error, lines.get("grpc-status-details-bin", ""))
    raise error


def _add_details(error: CallFailed, text: str) -> None:
    """Add what the details say. Where they cannot be read, code and message stand."""
    try:
        padded = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
        content = base64.b64decode(padded.replace("-", "+").replace("_", "/"), validate=True)
        details = Message.parse("Status", content).details
    except ValueError:  # no base64, no ASCII, no message
        return
    for detail in details:
        kind = detail.type_url.rpartition("google.rpc.")[2]
        try:
            if kind == "ErrorInfo":
                info = Message.parse(kind, detail.value)
                error.reason, error.metadata = info.reason, info.metadata
            elif kind == "BadRequest":
                request = Message.parse(kind, detail.value)
                error.violations += [(v.field, v.description) for v in request.field_violations]
            elif kind == "RetryInfo":
                delay = Message.parse(kind, detail.value).retry_delay
                error.retry_after_s = seconds_of(delay)
        except NotAMessage:
            continue


def seconds_of(duration: Optional[Message]) -> Optional[float]:
    """Return the length of a Duration, None for none."""
    return None if duration is None else float(duration.seconds + duration.nanos / 1e9)


def _http_failure(response: http.client.HTTPResponse, body: bytes) -> CallFailed:
    """Ours hold `{"error": {"code", "reason", "message"}}`; a proxy's whatever it likes."""
    after = response.getheader("Retry-After", "")
    retry_after_s = float(after) if re.fullmatch(r"\d{1,6}", after) else None
    try:
        said = json.loads(body)["error"]
        return CallFailed(Code[said["code"]], said["message"], said["reason"], retry_after_s)
    except (ValueError, KeyError, TypeError):
        return CallFailed(
            _OF_HTTP.get(response.status, Code.UNKNOWN),
            f"somebody on the way to the server answered with HTTP status {response.status}",
            retry_after_s=retry_after_s,
        )


def _broken(why: str) -> CallFailed:
    return CallFailed(
        Code.INTERNAL,
        f"the server's answer is broken: {why}; are plugin and server of the same version?",
    )


def _place(address: str) -> tuple[str, int, bool]:
    try:
        parts = urlsplit(address)
        is_tls = parts.scheme == "https"
        port = parts.port or (443 if is_tls else 80)
    except ValueError:
        parts, is_tls, port = urlsplit(""), False, 0
    is_plain = parts.path in ("", "/") and not (parts.query or parts.fragment or parts.username)
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_plain:
        raise BadAddress(f"a server's address is like http://127.0.0.1:50052, got {address!r}")
    return parts.hostname, port, is_tls


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
