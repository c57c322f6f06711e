"""What leaves for the server: over TLS or not, with a token or without."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from pipeline.errors import InvalidInput
from server.cli.channel import Credentials, open_channel, read_token
from server.cli.client import CallFailed, Client
from server.pb import lodsmith_pb2 as pb
from server.pb import lodsmith_pb2_grpc as pb_grpc
from tests.server.access.certificate_authority import CertificateAuthority

SECRET = Credentials(token="secret")


class Recorder(
    pb_grpc.JobServiceServicer, pb_grpc.BlobServiceServicer, pb_grpc.CatalogServiceServicer
):
    """Answers the calls of each kind, and remembers what they were authorized with."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    def _see(self, name: str, context: Any) -> None:
        metadata = dict(context.invocation_metadata())
        self.seen.append((name, metadata.get("authorization", "")))

    def GetServerInfo(self, request: Any, context: Any) -> pb.GetServerInfoResponse:  # noqa: N802
        self._see("unary", context)
        return pb.GetServerInfoResponse(version="1")

    def WatchJob(self, request: Any, context: Any) -> Iterator[pb.WatchJobResponse]:  # noqa: N802
        self._see("stream out", context)
        yield pb.WatchJobResponse(event=pb.JobEvent(finished=pb.Job()))

    def QueryBlobWrite(self, request: Any, context: Any) -> pb.QueryBlobWriteResponse:  # noqa: N802
        return pb.QueryBlobWriteResponse(complete=("stream in" in dict(self.seen)))

    def WriteBlob(self, requests: Iterator[Any], context: Any) -> pb.WriteBlobResponse:  # noqa: N802
        self._see("stream in", context)
        for _ in requests:
            pass
        return pb.WriteBlobResponse()


@contextmanager
def recording(credentials: grpc.ServerCredentials | None = None) -> Iterator[tuple[int, Recorder]]:
    """Run a recorder for the length of a `with` block; yields its port and it."""
    recorder = Recorder()
    server = grpc.server(ThreadPoolExecutor(4))
    pb_grpc.add_JobServiceServicer_to_server(recorder, server)
    pb_grpc.add_BlobServiceServicer_to_server(recorder, server)
    pb_grpc.add_CatalogServiceServicer_to_server(recorder, server)
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("localhost:0", credentials)
    server.start()
    try:
        yield port, recorder
    finally:
        server.stop(None).wait()


def call_each_kind(client: Client, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    client.info()
    list(client.watch("jobs/1"))
    client.upload(tmp_path / "file", lambda share: None)


def seen_with(header: str) -> list[tuple[str, str]]:
    return [("unary", header), ("stream out", header), ("stream in", header)]


@pytest.mark.parametrize("token", ["", "lodsmith_secret"])
def test_the_token_goes_with_every_kind_of_call(token: str, tmp_path: Path) -> None:
    with (
        recording() as (port, recorder),
        Client(f"127.0.0.1:{port}", Credentials(token=token)) as client,
    ):
        call_each_kind(client, tmp_path)
    assert recorder.seen == seen_with(f"Bearer {token}" if token else "")


def test_tls_with_a_ca_of_ones_own(tmp_path: Path) -> None:
    authority = CertificateAuthority(tmp_path / "ca")
    files = authority.issue()
    pair = (files.key.read_bytes(), files.cert.read_bytes())
    with recording(grpc.ssl_server_credentials([pair])) as (port, recorder):
        address = f"grpcs://localhost:{port}"
        with Client(address, replace(SECRET, tls_ca=authority.path)) as client:
            call_each_kind(client, tmp_path)
        assert recorder.seen == seen_with("Bearer secret")
        with (
            Client(address, SECRET, patience_s=0.2) as client,
            pytest.raises(CallFailed, match="no server at grpcs://localhost"),
        ):
            client.info()  # it is not of a CA that everybody knows
    assert recorder.seen == seen_with("Bearer secret")


@pytest.mark.parametrize("address", ["127.0.0.1:1", "localhost:1", "[::1]:1", "127.8.8.8:1"])
def test_loopback_needs_no_tls(address: str) -> None:
    open_channel(address, SECRET).close()


def test_no_token_goes_through_a_proxy_to_loopback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("no_grpc_proxy", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("grpc_proxy", "http://127.0.0.1:9")  # nobody listens there
    with recording() as (port, recorder), Client(f"127.0.0.1:{port}", SECRET) as client:
        client.info()
    assert recorder.seen == [("unary", "Bearer secret")]


@pytest.mark.parametrize(
    "address", ["10.0.0.7:1", "studio:1", "127.0.0.1.evil.example:1", "dns:localhost:1", "1"]
)
def test_no_token_leaves_the_machine_unencrypted(address: str) -> None:
    with pytest.raises(InvalidInput, match=f"grpcs://{address}") as caught:
        open_channel(address, SECRET)
    assert "secret" not in str(caught.value)
    open_channel(address).close()
    open_channel(f"grpcs://{address}", SECRET).close()


@pytest.mark.parametrize("address", ["https://studio:1", "http://studio:1", "grpcs://a://b"])
def test_other_schemes_are_refused(address: str) -> None:
    with pytest.raises(InvalidInput, match="host:port"):
        open_channel(address)


def test_a_server_that_asks_for_a_certificate_gets_one(tmp_path: Path) -> None:
    authority, strangers = (CertificateAuthority(tmp_path / name) for name in ("ca", "strangers"))
    files, alice, mallory = authority.issue(), authority.issue("alice"), strangers.issue("alice")
    pair = (files.key.read_bytes(), files.cert.read_bytes())
    asking = grpc.ssl_server_credentials([pair], authority.path.read_bytes(), True)
    with recording(asking) as (port, recorder):
        address = f"grpcs://localhost:{port}"
        trusting = replace(SECRET, tls_ca=authority.path)
        as_alice = replace(trusting, client_certificate=alice.cert, client_key=alice.key)
        with Client(address, as_alice) as client:
            call_each_kind(client, tmp_path)
        as_mallory = replace(trusting, client_certificate=mallory.cert, client_key=mallory.key)
        for credentials in (trusting, as_mallory):
            with (
                Client(address, credentials, patience_s=0.2) as client,
                pytest.raises(CallFailed, match="no server at grpcs://localhost"),
            ):
                client.info()
    assert recorder.seen == seen_with("Bearer secret")


def test_a_certificate_and_its_key_go_together(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="go together"):
        Credentials(client_certificate=tmp_path / "client.pem")
    pair = Credentials(client_certificate=tmp_path / "c.pem", client_key=tmp_path / "c.key")
    with pytest.raises(InvalidInput, match=r"the client's key .*c\.key: No such file"):
        open_channel("grpcs://studio:1", pair)
    with pytest.raises(InvalidInput, match="certificates are for a server with TLS"):
        open_channel("studio:1", pair)


def test_a_ca_is_for_tls(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="grpcs://studio:1"):
        open_channel("studio:1", Credentials(tls_ca=tmp_path / "ca.pem"))
    with pytest.raises(InvalidInput, match=r"ca\.pem: No such file"):
        open_channel("grpcs://studio:1", Credentials(tls_ca=tmp_path / "ca.pem"))


def test_where_the_token_is_from(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("of-the-file\n")
    assert read_token({}, None) == ""
    assert read_token({"LODSMITH_TOKEN": "of-the-variable"}, None) == "of-the-variable"
    assert read_token({"LODSMITH_TOKEN": "of-the-variable"}, file) == "of-the-file"


@pytest.mark.parametrize("content", [b"", b"\n", b"two tokens", b"a\nb", b"\xff\xfe"])
def test_a_file_without_one_token_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(InvalidInput, match="token") as caught:
        read_token({}, file)
    assert "two tokens" not in str(caught.value)


def test_a_variable_without_one_token_is_refused() -> None:
    with pytest.raises(InvalidInput, match="LODSMITH_TOKEN must hold"):
        read_token({"LODSMITH_TOKEN": "a\nx-evil: b"}, None)
    with pytest.raises(InvalidInput, match=r"nowhere: .*No such file"):
        read_token({}, Path("nowhere"))
