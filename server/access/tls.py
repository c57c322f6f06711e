"""TLS for both ports: every handshake has the certificates as they are then."""

import ssl
from collections.abc import Iterable, Mapping

import grpc

from server.access.certificates import Certificates, CertificateWatch


def grpc_credentials(watch: CertificateWatch) -> grpc.ServerCredentials:
    """Return what a gRPC port needs; it asks `watch` at every connection, on a thread of gRPC's."""
    offered = watch.latest()

    def changed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal offered
        latest = watch.latest()
        if latest is offered:
            return None
        offered = latest
        return _configuration(latest)

    is_client_asked = offered.client_ca is not None
    return grpc.dynamic_ssl_server_credentials(
        _configuration(offered),
        changed,  # type: ignore[arg-type]  # None is "no change"; the stubs do not know
        is_client_asked,
    )


def http_context(watch: CertificateWatch) -> ssl.SSLContext:
    """Return what the HTTP port needs; it asks `watch` at every handshake, on the event loop."""

    def take_latest(connection: ssl.SSLObject, host: str | None, first: ssl.SSLContext) -> None:
        # A new context, not new files in the old one: that would go on trusting a former CA.
        connection.context = watch.latest().context

    context = watch.latest().context
    context.sni_callback = take_latest  # called for every hello, also for those that name no host
    return context


def common_name_of_call(auth_context: Mapping[str, Iterable[bytes]]) -> str | None:
    """Return whom the client certificate of a gRPC call names; None without one, or with several.

    Args:
        auth_context: `ServicerContext.auth_context()`.
    """
    names = tuple(auth_context.get("x509_common_name", ()))
    return names[0].decode(errors="replace") if len(names) == 1 else None


def _configuration(certificates: Certificates) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(certificates.key, certificates.cert)], certificates.client_ca
    )
