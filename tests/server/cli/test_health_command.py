"""`lodsmith health`: what a probe gets."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import HealthServicer
from typer.testing import CliRunner

from pipeline.errors import InvalidInput
from server.cli.channel import Credentials
from server.cli.commands import app
from server.cli.health import own_address, own_channel
from server.config import ServerConfig
from tests.server.access.certificate_authority import CertificateAuthority
from tests.server.conftest import Peer


def test_a_server_that_takes_jobs_is_healthy(server: Peer) -> None:
    server.finished(server.create("a chair"))  # so that workers of both kinds are up
    result = CliRunner().invoke(app, ["health", "--server", server.address])
    assert (result.exit_code, result.stdout) == (0, "SERVING\n")


def test_its_address_is_that_of_the_settings(server: Peer) -> None:
    port = server.address.rpartition(":")[2]
    runner = CliRunner(env={"LODSMITH_PORT": port})
    result = runner.invoke(app, ["health", "--service", ""])
    assert (result.exit_code, result.stdout) == (0, "SERVING\n")


def test_a_server_whose_model_is_broken_is_not(
    start_server: Callable[..., AbstractContextManager[Peer]], tmp_path: Path
) -> None:
    broken = tmp_path / "models"
    broken.mkdir()
    (broken / "pipeline.json").write_text("{}")
    (broken / "broken").touch()
    with start_server(models=(str(broken),)) as peer:
        result = CliRunner().invoke(app, ["health", "--server", peer.address])
    assert (result.exit_code, result.stderr) == (1, "NOT_SERVING\n")


def test_no_server_is_not_healthy() -> None:
    arguments = ["health", "--server", "127.0.0.1:1", "--timeout-s", "0.5"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1
    assert result.stderr.startswith("UNAVAILABLE: ")


@dataclass(frozen=True, kw_only=True)
class Identity:
    """PEM files of a certificate and its key."""

    cert: Path
    key: Path


def identity(folder: Path) -> Identity:
    """Make a certificate for a name that is not loopback's, by an authority that nobody trusts."""
    now = datetime.now(UTC)
    key, key_of_authority = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "assets.example")]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "the studio")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("assets.example")]), False)
        .sign(key_of_authority, hashes.SHA256())
    )
    folder.mkdir()
    made = Identity(cert=folder / "cert.pem", key=folder / "key.pem")
    made.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    made.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return made


@contextmanager
def serving_health(made: Identity, client_ca: Path | None = None) -> Iterator[int]:
    """Serve nothing but health, with TLS; yields the port. client_ca: asks for its certificates."""
    server = grpc.server(ThreadPoolExecutor(1))
    servicer = HealthServicer()
    servicer.set("lodsmith.v1.JobService", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    pair = (made.key.read_bytes(), made.cert.read_bytes())
    credentials = grpc.ssl_server_credentials(
        [pair], client_ca.read_bytes() if client_ca else None, client_ca is not None
    )
    port = server.add_secure_port("localhost:0", credentials)
    server.start()
    try:
        yield port
    finally:
        server.stop(None)


def test_a_server_with_tls_is_known_by_its_own_certificate(tmp_path: Path) -> None:
    made = identity(tmp_path / "ours")
    with serving_health(made) as port:
        environment = {"LODSMITH_PORT": str(port), "LODSMITH_HOST": "0.0.0.0"}
        environment |= {"LODSMITH_TLS_CERT": str(made.cert), "LODSMITH_TLS_KEY": str(made.key)}
        result = CliRunner(env=environment).invoke(app, ["health"])
    assert (result.exit_code, result.stdout) == (0, "SERVING\n"), result.stderr


def test_a_server_with_another_certificate_is_not_ours(tmp_path: Path) -> None:
    ours, other = identity(tmp_path / "ours"), identity(tmp_path / "other")
    with serving_health(other) as port:
        config = ServerConfig(port=port, tls_cert=ours.cert, tls_key=ours.key)
        with pytest.raises(InvalidInput, match=f"does not answer with the certificate {ours.cert}"):
            own_channel(config, Credentials(), timeout_s=5)


def test_a_server_that_asks_for_a_certificate_is_shown_one(tmp_path: Path) -> None:
    made, authority = identity(tmp_path / "ours"), CertificateAuthority(tmp_path / "ca")
    client = authority.issue("prober")
    shown = ["--client-certificate", str(client.cert), "--client-key", str(client.key)]
    with serving_health(made, authority.path) as port:
        environment = {"LODSMITH_PORT": str(port), "LODSMITH_TLS_CLIENT_CA": str(authority.path)}
        environment |= {"LODSMITH_TLS_CERT": str(made.cert), "LODSMITH_TLS_KEY": str(made.key)}
        runner = CliRunner(env=environment)
        without = runner.invoke(app, ["health"])
        result = runner.invoke(app, ["health", *shown])
    assert (result.exit_code, result.stdout) == (0, "SERVING\n"), result.stderr
    assert without.exit_code == 1
    assert "--client-certificate and --client-key" in without.stderr


def test_a_named_server_with_tls_is_asked_over_it(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path / "ca")
    files = authority.issue()
    made = Identity(cert=files.cert, key=files.key)
    with serving_health(made) as port:
        arguments = ["health", "--server", f"grpcs://localhost:{port}"]
        trusting = CliRunner().invoke(app, [*arguments, "--tls-ca", str(authority.path)])
        doubting = CliRunner().invoke(app, [*arguments, "--timeout-s", "1"])
    assert (trusting.exit_code, trusting.stdout) == (0, "SERVING\n"), trusting.stderr
    assert doubting.exit_code == 1


def test_settings_that_make_no_sense_are_not_healthy() -> None:
    result = CliRunner(env={"LODSMITH_PORT": "many"}).invoke(app, ["health"])
    assert result.exit_code == 1
    assert "LODSMITH_PORT must be a whole number" in result.stderr


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("0.0.0.0", "127.0.0.1:50051"),
        ("::", "[::1]:50051"),
        ("::1", "[::1]:50051"),
        ("localhost", "localhost:50051"),
    ],
)
def test_a_server_on_all_addresses_is_asked_on_loopback(host: str, address: str) -> None:
    assert own_address(ServerConfig(host=host, insecure_allow_remote=True)) == address
