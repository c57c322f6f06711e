"""The way to a server: plain or TLS, with a token or without."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from pipeline.errors import InvalidInput

TOKEN_VARIABLE = "LODSMITH_TOKEN"
TLS_PREFIX = "grpcs://"

_TOKEN = re.compile(r"[!-~]+")  # no more is asked of it here: a proxy may want one of its own

_OPTIONS = [
    ("grpc.keepalive_time_ms", 30_000),  # notices a server that is gone without a word
    ("grpc.max_reconnect_backoff_ms", 2_000),
]


def read_token(environment: Mapping[str, str], file: Path | None) -> str:
    """Return the token in `file`, else that of LODSMITH_TOKEN, else "".

    There is no flag for the token itself: every user of a machine can read its command lines.

    Raises:
        InvalidInput: If the file cannot be read, or there is anything but a token in it.
    """
    source = TOKEN_VARIABLE if file is None else str(file)
    try:
        text = environment.get(TOKEN_VARIABLE, "") if file is None else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read a token from {source}: {error}") from error
    token = text.strip()
    if (file is not None or text) and not _TOKEN.fullmatch(token):
        raise InvalidInput(f"{source} must hold one token and nothing else")
    return token


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What a client shows a server, and whom it trusts.

    token: goes with every call; "": none.
    tls_ca: PEM file of the CA that has issued the server's certificate. None: those that gRPC
        knows.
    client_certificate, client_key: PEM files for a server that asks for a certificate; both or
        none.
    """

    token: str = ""
    tls_ca: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None

    def __post_init__(self) -> None:
        if (self.client_certificate is None) != (self.client_key is None):
            raise InvalidInput("a client certificate and its key go together; one is missing")


NO_CREDENTIALS = Credentials()


def open_channel(
    address: str, credentials: Credentials = NO_CREDENTIALS, *, name: str = ""
) -> grpc.Channel:
    """Return a channel to a server; it connects with the first call.

    Args:
        address: host:port, or grpcs://host:port for TLS.
        credentials: For it.
        name: That the server's certificate is to be for; "": the address's host.

    Raises:
        InvalidInput: If the address is none, a file cannot be read, or a token would leave this
            machine unencrypted.
    """
    token = credentials.token
    target = address.removeprefix(TLS_PREFIX)
    if "://" in target:
        raise InvalidInput(
            f"a server's address is host:port, or {TLS_PREFIX}host:port for TLS; got {address!r}"
        )
    if target == address:
        if credentials.tls_ca is not None or credentials.client_certificate is not None:
            raise InvalidInput(
                f"certificates are for a server with TLS; write {TLS_PREFIX}{address}"
            )
        if token and not _is_loopback(target):
            raise InvalidInput(
                f"the token would go to {address} unencrypted; write {TLS_PREFIX}{address}, or use "
                "an SSH tunnel and its end on this machine"
            )
        # Nor through a proxy of the environment: loopback is meant to be this machine's.
        use_proxy = ("grpc.enable_http_proxy", int(not _is_loopback(target)))
        channel = grpc.insecure_channel(target, options=[*_OPTIONS, use_proxy])
    else:
        shown = grpc.ssl_channel_credentials(
            _read(credentials.tls_ca, "the CA"),
            _read(credentials.client_key, "the client's key"),
            _read(credentials.client_certificate, "the client's certificate"),
        )
        named = [("grpc.ssl_target_name_override", name)] if name else []
        channel = grpc.secure_channel(target, shown, options=[*_OPTIONS, *named])
    return grpc.intercept_channel(channel, _Bearer(token)) if token else channel


def _read(path: Path | None, what: str) -> bytes | None:
    if path is None:
        return None
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"cannot read {what} {path}: {error.strerror}") from error


def _is_loopback(target: str) -> bool:
    host = target.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Details(grpc.ClientCallDetails):
    """A call's details with other metadata; gRPC's own cannot be changed."""

    def __init__(
        self, of: grpc.ClientCallDetails, metadata: tuple[tuple[str, str | bytes], ...]
    ) -> None:
        self.method = of.method
        self.timeout = of.timeout
        self.metadata = metadata
        self.credentials = of.credentials
        self.wait_for_ready = of.wait_for_ready
        self.compression = of.compression


class _Bearer(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
):
    """Sends a token with every call; gRPC's own call credentials want TLS even on loopback."""

    def __init__(self, token: str) -> None:
        self._header = ("authorization", f"Bearer {token}")

    # Any: messages of every kind, and gRPC's own types for the calls.
    def intercept_unary_unary(
        self, continuation: Any, client_call_details: grpc.ClientCallDetails, request: Any
    ) -> Any:
        """Call a method that answers one message to one."""
        return continuation(self._with_token(client_call_details), request)

    def intercept_unary_stream(
        self, continuation: Any, client_call_details: grpc.ClientCallDetails, request: Any
    ) -> Any:
        """Call a method that answers a stream."""
        return continuation(self._with_token(client_call_details), request)

    def intercept_stream_unary(
        self, continuation: Any, client_call_details: grpc.ClientCallDetails, request_iterator: Any
    ) -> Any:
        """Call a method that takes a stream."""
        return continuation(self._with_token(client_call_details), request_iterator)

    def _with_token(self, details: grpc.ClientCallDetails) -> grpc.ClientCallDetails:
        return _Details(details, (*(details.metadata or ()), self._header))
