"""The server's certificate, its key and the CA of its clients: read, checked, read again."""

import logging
import os
import ssl
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipeline.errors import InvalidInput

logger = logging.getLogger(__name__)

_MAX_BYTES = 1 << 20  # a whole system's list of CAs is a quarter of this
_MAX_HANDSHAKE_ROUNDS = 10  # TLS 1.3 takes two


@dataclass(frozen=True, kw_only=True)
class CertificateFiles:
    """Where the PEM files are.

    cert: the server's certificate and those between it and its CA.
    key: the key to it, without a passphrase.
    client_ca: the CAs whose certificates clients must show; None: they need none.
    """

    cert: Path
    key: Path
    client_ca: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """Files that were found good.

    cert, key, client_ca: their content.
    context: offers them to clients of an SSL socket.
    end: when the certificate expires.
    """

    cert: bytes
    key: bytes
    client_ca: bytes | None
    context: ssl.SSLContext
    end: datetime


class CertificateWatch:
    """The certificates as they are now: files that changed are read again. For any thread.

    Where that fails, the ones before stay in use and the log says why, once per change.
    """

    def __init__(self, files: CertificateFiles) -> None:
        """Read the files.

        Raises:
            InvalidInput: If one is missing, is not what it should be, or has expired.
        """
        self._files = files
        self._lock = threading.Lock()
        self._stamps = _stamps(files)
        self._latest = read_certificates(files)
        logger.info("TLS: the certificate %s ends on %s", files.cert, self._latest.end.date())

    def latest(self) -> Certificates:
        """Return the certificates for the next handshake: the same object until they change."""
        with self._lock:
            stamps = _stamps(self._files)
            if stamps != self._stamps:
                self._stamps = stamps
                self._reload()
            return self._latest

    def _reload(self) -> None:
        try:
            self._latest = read_certificates(self._files)
        except InvalidInput as error:
            logger.error("TLS: the certificates before stay in use: %s", error)
        else:
            cert, end = self._files.cert, self._latest.end
            logger.info("TLS: the certificate %s was renewed; it ends on %s", cert, end.date())


def read_certificates(files: CertificateFiles) -> Certificates:
    """Read and check the files.

    Raises:
        InvalidInput: If one is missing, is not what it should be, has expired, or changed just now.
    """
    stamps = _stamps(files)
    cert = _read("tls_cert", files.cert, b"-----BEGIN CERTIFICATE-----")
    key = _read("tls_key", files.key, b"PRIVATE KEY-----")
    if b"ENCRYPTED" in key:
        raise InvalidInput(
            f"the key {files.key} (tls_key) has a passphrase, which a server cannot type; "
            "write it without one, for example with `openssl pkey`"
        )
    context = _server_context(files)
    end = _checked_end(files.cert, cert, context)
    client_ca = None
    if files.client_ca is not None:
        client_ca = _read("tls_client_ca", files.client_ca, b"-----BEGIN CERTIFICATE-----")
        _require_client(context, files.client_ca)
    if _stamps(files) != stamps:  # what was checked may not be what is in `cert` and `key`
        raise InvalidInput(f"{files.cert} or a file with it changes while it is read; try again")
    return Certificates(cert=cert, key=key, client_ca=client_ca, context=context, end=end)


def _stamps(files: CertificateFiles) -> tuple[tuple[int, int, int] | None, ...]:
    """Return what is different once a file was changed or replaced; None for one that is gone."""

    def stamp(path: Path | None) -> tuple[int, int, int] | None:
        try:
            status = os.stat(path) if path is not None else None
        except OSError:
            return None
        return (status.st_ino, status.st_mtime_ns, status.st_size) if status else None

    return (stamp(files.cert), stamp(files.key), stamp(files.client_ca))


def _read(setting: str, path: Path, mark: bytes) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"cannot read {path} ({setting}): {error.strerror}") from error
    if len(content) > _MAX_BYTES or mark not in content:
        raise InvalidInput(f"{path} ({setting}) is no PEM file with {mark.decode()} in it")
    return content


def _server_context(files: CertificateFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # No tickets: who resumes a session shows no certificate, not even one that lost its CA since.
    context.num_tickets = 0
    context.options |= ssl.OP_NO_TICKET
    context.set_alpn_protocols(["http/1.1"])  # gRPC does without this context
    try:
        context.load_cert_chain(files.cert, files.key)
    except OSError as error:  # SSLError is one; another, when a file has gone since it was read
        if isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH":
            raise InvalidInput(
                f"the key {files.key} (tls_key) is not that of the first certificate in "
                f"{files.cert} (tls_cert); name a pair"
            ) from error
        raise InvalidInput(
            f"{files.cert} (tls_cert) and {files.key} (tls_key) are no certificate and key that "
            f"can be used: {error}"
        ) from error
    return context


def _require_client(context: ssl.SSLContext, client_ca: Path) -> None:
    """Let nobody in without a certificate of a CA in the file."""
    try:
        context.load_verify_locations(client_ca)
    except OSError as error:
        raise InvalidInput(
            f"{client_ca} (tls_client_ca) holds no certificates that can be used: {error}"
        ) from error
    ends = [str(authority["notAfter"]) for authority in context.get_ca_certs()]
    if not any(ssl.cert_time_to_seconds(end) > time.time() for end in ends):
        raise InvalidInput(
            f"no client could get in: {client_ca} (tls_client_ca) holds no certificate of a CA "
            "that has not expired"
        )
    context.verify_mode = ssl.CERT_REQUIRED


def _checked_end(path: Path, cert: bytes, context: ssl.SSLContext) -> datetime:
    """Return when a certificate expires, having shaken hands with it as a client would.

    A client's check finds whatever would keep clients out: its dates, its key's size, its purpose.
    Only whom it is for and who issued it is left to them.
    """
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # trusts what is in the file
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        client_context.load_verify_locations(cadata=cert.decode("ascii", errors="ignore"))
        client = client_context.wrap_bio(to_client, to_server)
        server = context.wrap_bio(to_server, to_client, server_side=True)
        _shake_hands(client, server)
    except ssl.SSLCertVerificationError as error:
        raise InvalidInput(
            f"{path} (tls_cert) cannot be used: {error.verify_message}; put one in its place that "
            "clients accept"
        ) from error
    except ssl.SSLError as error:
        raise InvalidInput(f"{path} (tls_cert) cannot be used: {error}") from error
    certificate = client.getpeercert()
    assert certificate is not None
    end_s = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    return datetime.fromtimestamp(end_s, UTC)


def _shake_hands(client: ssl.SSLObject, server: ssl.SSLObject) -> None:
    """Connect two ends in memory; raises `SSLError` as either of them does."""
    for _ in range(_MAX_HANDSHAKE_ROUNDS):
        waiting = 0
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                waiting += 1
        if not waiting:
            return
    raise ssl.SSLError("the handshake does not end")
