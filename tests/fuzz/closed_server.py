"""A server that checks all that it is asked, has one finished job, and takes no others."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.server.conftest import config_in, serving

UID = b"0" * 32
"""Stands in requests for the uid of the job, which is another in each run."""


@dataclass(frozen=True, kw_only=True)
class ClosedServer:
    """Where it listens, and its job. address: of gRPC, as host:port."""

    address: str
    http_port: int
    uid: bytes

    def with_job(self, request: bytes) -> bytes:
        """Put the job's uid where `UID` stands."""
        return request.replace(UID, self.uid)


@contextmanager
def closed_server() -> Iterator[ClosedServer]:
    """Run a server for the length of a `with` block."""
    with TemporaryDirectory(prefix="lodsmith-fuzz-") as folder:
        config = replace(
            config_in(Path(folder)),
            warm_generator=False,
            spare_mesh_workers=0,
            call_rate_per_s=0.0,
            # A defect is the target's to tell, with the input that shows it.
            log_level="ERROR",
        )
        with serving(config) as peer:
            job = peer.finished(peer.create_mesh("a box"))
        with serving(replace(config, max_queued_jobs=0)) as peer:
            yield ClosedServer(
                address=peer.address,
                http_port=peer.client.info().http_port,
                uid=job.name.removeprefix("jobs/").encode(),
            )
