"""A real server with real worker processes, around a pipeline that does as it is told."""

import hashlib
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest

from server.cli.client import Client
from server.cli.embedded import running_server
from server.config import ServerConfig
from server.pb import lodsmith_pb2 as pb
from server.pb import lodsmith_pb2_grpc as pb_grpc


class Peer:
    """A server under test: its address, raw stubs, and the patient client."""

    def __init__(self, address: str, config: ServerConfig) -> None:
        self.address = address
        self.config = config
        self.channel = grpc.insecure_channel(address)
        self.jobs = pb_grpc.JobServiceStub(self.channel)
        self.blobs = pb_grpc.BlobServiceStub(self.channel)
        self.catalog = pb_grpc.CatalogServiceStub(self.channel)
        self.client = Client(address, patience_s=5.0)

    def create(self, prompt: str, **fields: Any) -> pb.Job:
        """Create a job from a prompt."""
        return self.client.create(pb.JobSpec(prompt=prompt, **fields))

    def create_mesh(self, content: str | bytes) -> pb.Job:
        """Upload a mesh and create a job from it."""
        return self.client.create(pb.JobSpec(mesh=self.upload(content)))

    def upload(self, content: str | bytes) -> pb.Digest:
        """Upload a blob."""
        data = content.encode() if isinstance(content, str) else content
        digest = pb.Digest(sha256=hashlib.sha256(data).digest(), size_bytes=len(data))
        message = pb.WriteBlobRequest(upload_id=uuid.uuid4().hex, digest=digest, data=data)
        self.blobs.WriteBlob(iter([message]))
        return digest

    def content(self, digest: pb.Digest) -> bytes:
        """Download a blob."""
        chunks = self.blobs.ReadBlob(pb.ReadBlobRequest(digest=digest))
        return b"".join(chunk.data for chunk in chunks)

    def events(self, job: pb.Job, after: int = 0) -> list[pb.JobEvent]:
        """Watch a job to its end."""
        return list(self.client.watch(job.name, after))

    def finished(self, job: pb.Job) -> pb.Job:
        """Wait for a job's end."""
        return self.events(job)[-1].finished

    def until(self, job: pb.Job, stage: int) -> None:
        """Wait until a job is in a stage."""
        for event in self.client.watch(job.name):
            in_progress = event.WhichOneof("kind") == "progress" and event.progress.stage == stage
            in_snapshot = any(status.stage == stage for status in event.snapshot.stages)
            if in_progress or in_snapshot:
                return
        raise AssertionError("the job ended first")


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> ServerConfig:
    """The configuration of all servers under test."""
    return config_in(tmp_path_factory.mktemp("server"))


def config_in(folder: Path) -> ServerConfig:
    """A configuration for tests: free port, fake pipeline, a model folder that looks right."""
    models = folder / "models"
    models.mkdir()
    (models / "pipeline.json").write_text("{}")
    return ServerConfig(
        port=0,
        http_port=0,
        data_dir=folder / "data",
        models=(str(models),),
        pipeline="tests.server.fake_pipeline",
        device="cpu",  # "auto" would import torch to look for a card
        log_level="ERROR",
        spare_mesh_workers=1,
        generator_grace_s=0.5,
        min_free_disk_bytes=0,
    )


@contextmanager
def serving(config: ServerConfig, drain_s: float = 0.0) -> Iterator[Peer]:
    """Run a server for the length of a `with` block."""
    with running_server(config, drain_s=drain_s) as address:
        peer = Peer(address, config)
        try:
            yield peer
        finally:
            peer.channel.close()


@pytest.fixture(scope="session")
def server(config: ServerConfig) -> Iterator[Peer]:
    """One server for all tests that leave it as they found it."""
    with serving(config) as peer:
        yield peer


@pytest.fixture
def start_server(
    config: ServerConfig, tmp_path: Path
) -> Callable[..., AbstractContextManager[Peer]]:
    """Start a server of the test's own: `with start_server(max_queued_jobs=1) as peer`."""

    def start(drain_s: float = 0.0, **changes: Any) -> AbstractContextManager[Peer]:
        own = replace(config, data_dir=tmp_path / "data", spare_mesh_workers=0)
        return serving(replace(own, **changes), drain_s)

    return start
