"""What gRPC's standard health service says of a server."""

import ipaddress
import socket
import ssl
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from pipeline.errors import InvalidInput
from server.cli.channel import TLS_PREFIX, Credentials, open_channel
from server.config import ServerConfig


def health_of(channel: grpc.Channel, service: str, timeout_s: float) -> str:
    """Return SERVING, NOT_SERVING, or why there is no answer."""
    try:
        answer = health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(service=service), timeout=timeout_s
        )
    except grpc.RpcError as error:
        return f"{error.code().name}: {error.details()}"
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


def own_channel(config: ServerConfig, credentials: Credentials, timeout_s: float) -> grpc.Channel:
    """Return a channel to the server with these settings, from its own machine.

    With TLS it trusts the certificate that the settings name, and no other one, whatever host it is
    for: a probe asks on loopback. Of `credentials` it shows the client's certificate.

    Raises:
        InvalidInput: If that certificate cannot be read, the server is not there or shows another
            one, or asks callers for theirs.
    """
    address = own_address(config)
    if config.tls_cert is None:
        return grpc.insecure_channel(address)
    if config.tls_client_ca is not None and credentials.client_certificate is None:
        raise InvalidInput(
            "the server of these settings asks callers for a certificate (tls_client_ca); show one "
            "with --client-certificate and --client-key"
        )
    host = address.rpartition(":")[0].strip("[]")
    try:
        name = _name_in(config.tls_cert, credentials, host, config.port, timeout_s)
    except OSError as error:  # those of TLS are, too
        raise InvalidInput(
            f"{address} does not answer with the certificate {config.tls_cert}: {error}"
        ) from error
    trusting = replace(credentials, tls_ca=config.tls_cert, token="")
    return open_channel(f"{TLS_PREFIX}{address}", trusting, name=name)


def own_address(config: ServerConfig) -> str:
    """Return where a server with these settings can be asked from its own machine."""
    host = config.host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"{host}:{config.port}"
    if address.is_unspecified:  # every address of the machine
        host = "127.0.0.1" if address.version == 4 else "::1"
    return f"[{host}]:{config.port}" if ":" in host else f"{host}:{config.port}"


def _name_in(
    certificate: Path, credentials: Credentials, host: str, port: int, timeout_s: float
) -> str:
    """Return a name that the server's certificate is for, if it is `certificate`."""
    context = ssl.create_default_context(cafile=certificate)
    if credentials.client_certificate is not None:
        context.load_cert_chain(credentials.client_certificate, credentials.client_key)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # no need to have its authority
    context.check_hostname = False  # the name is what we ask for
    context.set_alpn_protocols(["h2"])
    with (
        closing(socket.create_connection((host, port), timeout_s)) as connection,
        context.wrap_socket(connection) as secured,
    ):
        shown = secured.getpeercert() or {}
    names: Any = shown.get("subjectAltName", ())  # Any: the stubs do not know which key has what
    return next((str(name) for _, name in names), host)
