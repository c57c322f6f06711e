"""How fast blobs go out, and what uploads cost whose connections are cut.

    python -m benchmarks.transfer [--mib 1024] [--rounds 3]

An own server on loopback, and Python's `http.server` on the same file as a peer; nginx, where it
is installed. Downloads: best of the rounds, taken in turn. Uploads go through a proxy that counts
what clients send and cuts their connection ten times; each must end whole.
"""

import argparse
import hashlib
import http.client
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import grpc

from server.cli.client import Client
from server.pb import lodsmith_pb2 as pb
from server.pb import lodsmith_pb2_grpc as pb_grpc

CHUNK_BYTES = 1 << 20
DOWNLOAD_BYTES = 256 << 20
CUTS = 10
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Blob:
    """A file to send. The digest names it on the server."""

    path: Path
    digest: pb.Digest

    @property
    def http_path(self) -> str:
        """Where it is as a plain file."""
        return f"/v1/blobs/sha256/{self.digest.sha256.hex()}"


def made_blob(folder: Path, name: str, size: int) -> Blob:
    """Write a file that no compression shrinks and no other test has sent."""
    sha = hashlib.sha256()
    path = folder / name
    with path.open("wb") as file:
        for _ in range(size // CHUNK_BYTES):
            chunk = os.urandom(CHUNK_BYTES)
            sha.update(chunk)
            file.write(chunk)
    return Blob(path=path, digest=pb.Digest(sha256=sha.digest(), size_bytes=size))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def cpu_s(pid: int) -> float:
    """Seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


@contextmanager
def process(command: list[str], port: int, settings: Mapping[str, str]) -> Iterator[int]:
    """Run a server until the block ends; yields its process id once it listens on `port`."""
    child = subprocess.Popen(
        command,
        env={**os.environ, **settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while True:
            with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                break
            if child.poll() is not None:
                sys.exit(f"{command} ended with {child.returncode}")
            time.sleep(0.1)
        yield child.pid
    finally:
        child.terminate()
        child.wait()


def by_grpc(port: int, blob: Blob) -> int:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        request = pb.ReadBlobRequest(digest=blob.digest)
        return sum(len(r.data) for r in pb_grpc.BlobServiceStub(channel).ReadBlob(request))


def by_connect(port: int, blob: Blob) -> int:
    body = pb.ReadBlobRequest(digest=blob.digest).SerializeToString()
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request(
        "POST",
        "/lodsmith.v1.BlobService/ReadBlob",
        struct.pack(">BI", 0, len(body)) + body,
        {"content-type": "application/connect+proto"},
    )
    response = connection.getresponse()
    total = 0
    while True:
        flags, length = struct.unpack(">BI", response.read(5))
        content = response.read(length)
        if flags & 2:
            return total
        total += len(pb.ReadBlobResponse.FromString(content).data)


def by_get(port: int, path: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", path)
    response = connection.getresponse()
    total = 0
    while chunk := response.read(CHUNK_BYTES):
        total += len(chunk)
    return total


class CuttingProxy:
    """Forwards to a port, counts what clients send, and cuts them off again and again."""

    def __init__(self, port: int, every_bytes: int) -> None:
        self._target = port
        self._every_bytes = every_bytes
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self.port = int(self._listener.getsockname()[1])
        self.sent_bytes = 0
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                pair = (client, server)
                threading.Thread(target=self._forward, args=(*pair, True), daemon=True).start()
                threading.Thread(
                    target=self._forward, args=(*pair[::-1], False), daemon=True
                ).start()

    def _forward(self, source: socket.socket, target: socket.socket, counts: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if counts and self._cuts_after(len(data)):
                    break
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _cuts_after(self, count: int) -> bool:
        with self._lock:
            self.sent_bytes += count
            is_due = self.cuts < CUTS and self.sent_bytes >= (self.cuts + 1) * self._every_bytes
            self.cuts += is_due
            return is_due


def upload_by_grpc(port: int, blob: Blob) -> None:
    with Client(f"127.0.0.1:{port}") as client:
        client.upload(blob.path, lambda share: None)


def upload_by_chunks(
    port: int, blob: Blob, send: Callable[[http.client.HTTPConnection, str, int, bytes], int]
) -> None:
    """Send chunk after chunk; `send` returns what the server then has. Cut ones are sent again."""
    upload_id, offset = uuid.uuid4().hex, 0
    connection = http.client.HTTPConnection("127.0.0.1", port)
    with blob.path.open("rb") as file:
        while offset < blob.digest.size_bytes:
            file.seek(offset)
            data = file.read(CHUNK_BYTES)
            try:
                offset = send(connection, upload_id, offset, data)
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = http.client.HTTPConnection("127.0.0.1", port)


def connect_sender(blob: Blob) -> Callable[[http.client.HTTPConnection, str, int, bytes], int]:
    def send(
        connection: http.client.HTTPConnection, upload_id: str, offset: int, data: bytes
    ) -> int:
        chunk = pb.WriteBlobChunkRequest(
            upload_id=upload_id, digest=blob.digest, offset=offset, data=data
        )
        connection.request(
            "POST",
            "/lodsmith.v1.BlobService/WriteBlobChunk",
            chunk.SerializeToString(),
            {"content-type": "application/proto"},
        )
        response = connection.getresponse()
        content = response.read()
        assert response.status == 200, content
        return int(pb.WriteBlobChunkResponse.FromString(content).committed_size)

    return send


def put_sender(blob: Blob) -> Callable[[http.client.HTTPConnection, str, int, bytes], int]:
    def send(
        connection: http.client.HTTPConnection, upload_id: str, offset: int, data: bytes
    ) -> int:
        size = blob.digest.size_bytes
        place = f"bytes {offset}-{offset + len(data) - 1}/{size}"
        path = f"{blob.http_path}?upload_id={upload_id}"
        connection.request("PUT", path, data, {"content-range": place})
        response = connection.getresponse()
        content = response.read()
        assert response.status == 200, content
        return int(response.headers["upload-offset"])

    return send


def downloads(ports: Mapping[str, tuple[int, int]], blob: Blob, rounds: int) -> None:
    """Print the table of downloads. ports: port and process by name."""
    ways: dict[str, Callable[[], int]] = {
        "gRPC ReadBlob": lambda: by_grpc(ports["grpc"][0], blob),
        "Connect ReadBlob": lambda: by_connect(ports["http"][0], blob),
        "HTTP GET": lambda: by_get(ports["http"][0], blob.http_path),
        "python http.server": lambda: by_get(ports["python"][0], f"/{blob.path.name}"),
    }
    pids = dict(zip(ways, [ports[n][1] for n in ("grpc", "http", "http", "python")], strict=True))
    if "nginx" in ports:
        ways["nginx"] = lambda: by_get(ports["nginx"][0], f"/{blob.path.name}")
        pids["nginx"] = ports["nginx"][1]
    best = dict.fromkeys(ways, (0.0, 0.0))
    for _ in range(rounds):
        for name, fetch in ways.items():
            cpu, start = cpu_s(pids[name]), time.monotonic()
            assert fetch() == blob.digest.size_bytes
            seconds = time.monotonic() - start
            mib = blob.digest.size_bytes / 2**20
            best[name] = max(best[name], (mib / seconds, 1024 / mib * (cpu_s(pids[name]) - cpu)))
    print("| download, 1 MiB chunks | MiB/s | server's CPU s per GiB |\n|---|---|---|")
    for name, (rate, cpu) in best.items():
        print(f"| {name} | {rate:,.0f} | {cpu:.2f} |")


def uploads(ports: Mapping[str, tuple[int, int]], folder: Path, size: int) -> None:
    """Print the table of uploads."""
    print(f"\n| upload of {size >> 20:,} MiB | cuts | bytes sent | s |\n|---|---|---|---|")
    for name in ("gRPC WriteBlob", "Connect WriteBlobChunk", "HTTP PUT"):
        blob = made_blob(folder, "upload", size)
        proxy = CuttingProxy(ports["grpc" if "gRPC" in name else "http"][0], size // (CUTS + 1))
        start = time.monotonic()
        if "gRPC" in name:
            upload_by_grpc(proxy.port, blob)
        else:
            sender = put_sender(blob) if "PUT" in name else connect_sender(blob)
            upload_by_chunks(proxy.port, blob, sender)
        seconds = time.monotonic() - start
        proxy.close()
        with Client(f"127.0.0.1:{ports['grpc'][0]}") as client:
            client.upload(blob.path, lambda share: None)  # asks first: nothing more is sent
        print(f"| {name} | {proxy.cuts} | {proxy.sent_bytes / size:.3f} times | {seconds:.1f} |")


@contextmanager
def all_servers(folder: Path) -> Iterator[dict[str, tuple[int, int]]]:
    """Run Lodsmith and its peers; yields port and process by name."""
    grpc_port, http_port, python_port = free_port(), free_port(), free_port()
    settings = {
        "LODSMITH_PORT": str(grpc_port),
        "LODSMITH_HTTP_PORT": str(http_port),
        "LODSMITH_DATA_DIR": str(folder / "data"),
        "LODSMITH_WARM_GENERATOR": "false",
        "LODSMITH_LOG_LEVEL": "WARNING",
    }
    lodsmith = [sys.executable, "-m", "server"]
    python = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "-d", str(folder)]
    with (
        process(lodsmith, http_port, settings) as ours,
        process([*python, str(python_port)], python_port, {}) as plain,
    ):
        ports = {
            "grpc": (grpc_port, ours),
            "http": (http_port, ours),
            "python": (python_port, plain),
        }
        if nginx := shutil.which("nginx"):
            nginx_port = free_port()
            settings_file = folder / "nginx.conf"
            settings_file.write_text(
                "daemon off; master_process off; events {} pid nginx.pid; error_log nginx.log;"
                f"http {{ access_log off; server {{ listen 127.0.0.1:{nginx_port};"
                f" root {folder}; }} }}"
            )
            command = [nginx, "-p", str(folder), "-c", str(settings_file)]
            with process(command, nginx_port, {}) as pid:
                yield ports | {"nginx": (nginx_port, pid)}
        else:
            yield ports


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="size of the uploads")
    parser.add_argument("--rounds", type=int, default=3, help="of downloads")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        blob = made_blob(folder, "download", DOWNLOAD_BYTES)
        with all_servers(folder) as ports:
            upload_by_grpc(ports["grpc"][0], blob)
            downloads(ports, blob, arguments.rounds)
            uploads(ports, folder, arguments.mib << 20)


if __name__ == "__main__":
    main()
