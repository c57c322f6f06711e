"""Whatever clients do in whatever order, across restarts of the server: its promises hold."""

import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from server.pb import lodsmith_pb2 as pb
from tests.server.conftest import Peer, config_in, serving
from tests.server.refused import reason_of

FINAL = (pb.JOB_STATE_SUCCEEDED, pb.JOB_STATE_FAILED, pb.JOB_STATE_CANCELLED)
TIMEOUT_S = 30.0
ENDLESS = "slow"
MESHES = ("a box", "fail at once", "steps5 and a box", ENDLESS)


@dataclass(kw_only=True)
class Seen:
    """What the client knows of a job.

    log: its events by sequence, as bytes. final: the job of its last event.
    has_ended: whether a snapshot has said so.
    """

    request_id: str
    spec: pb.JobSpec
    is_endless: bool
    retry_of: str = ""
    cursor: int = 0
    log: dict[int, bytes] = field(default_factory=dict)
    final: bytes = b""
    has_ended: bool = False
    is_cancelled: bool = False
    is_deleted: bool = False


class Clients(RuleBasedStateMachine):
    """A client that remembers all that it was told, and a server that is restarted at times."""

    names = Bundle("names")

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self._folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="lodsmith-")))
        self._config = config_in(self._folder)
        self._server: ExitStack
        self._peer: Peer
        self._jobs: dict[str, Seen] = {}

    @initialize()
    def start(self) -> None:
        self._server = ExitStack()
        self._peer = self._server.enter_context(serving(self._config))

    def teardown(self) -> None:
        self._server.close()
        self._stack.close()

    @rule()
    def restart(self) -> None:
        """No running job ends first: it goes back to the queue."""
        self._server.close()
        self.start()

    @rule(target=names, mesh=st.sampled_from(MESHES))
    def create(self, mesh: str) -> str:
        spec = pb.JobSpec(mesh=self._peer.upload(mesh))
        return self._created(spec, is_endless=mesh == ENDLESS)

    def _created(self, spec: pb.JobSpec, *, is_endless: bool) -> str:
        request_id = uuid.uuid4().hex
        request = pb.CreateJobRequest(request_id=request_id, spec=spec)
        response = self._peer.jobs.CreateJob(request, timeout=TIMEOUT_S)
        assert not response.deduplicated
        assert response.job.name not in self._jobs
        self._jobs[response.job.name] = Seen(
            request_id=request_id, spec=spec, is_endless=is_endless
        )
        return response.job.name

    @rule(name=names)
    def create_again(self, name: str) -> None:
        """A request that is repeated makes no second job."""
        seen = self._jobs[name]
        if seen.is_deleted or seen.retry_of:
            return
        request = pb.CreateJobRequest(request_id=seen.request_id, spec=seen.spec)
        response = self._peer.jobs.CreateJob(request, timeout=TIMEOUT_S)
        assert (response.job.name, response.deduplicated) == (name, True)

    @rule(name=names)
    def use_its_request_id_for_something_else(self, name: str) -> None:
        seen = self._jobs[name]
        if seen.is_deleted:
            return
        other = pb.JobSpec(mesh=seen.spec.mesh, asset_name="Other")
        request = pb.CreateJobRequest(request_id=seen.request_id, spec=other)
        assert self._refusal(lambda: self._peer.jobs.CreateJob(request)) == "REQUEST_ID_REUSED"

    @rule(name=names)
    def cancel(self, name: str) -> None:
        seen = self._jobs[name]
        request = pb.CancelJobRequest(name=name)
        if seen.is_deleted:
            assert self._refusal(lambda: self._peer.jobs.CancelJob(request)) == "JOB_NOT_FOUND"
            return
        job = self._peer.jobs.CancelJob(request, timeout=TIMEOUT_S).job
        assert job.state in (*FINAL, pb.JOB_STATE_CANCELLING)
        seen.is_cancelled = True

    @rule(name=names, most=st.integers(1, 4))
    def watch_a_little(self, name: str, most: int) -> None:
        """A watch that is cut after a few events is taken up where it ended."""
        seen = self._jobs[name]
        if seen.is_deleted or (seen.is_endless and not seen.is_cancelled):
            return
        request = pb.WatchJobRequest(name=name, after_sequence=seen.cursor)
        stream = self._peer.jobs.WatchJob(request, timeout=TIMEOUT_S)
        for response, _ in zip(stream, range(most), strict=False):
            self._note(seen, response.event)
        stream.cancel()

    @rule(name=names)
    def watch_to_the_end(self, name: str) -> None:
        if self._jobs[name].is_deleted:
            return
        seen = self._ended(name)
        assert seen.final

    def _ended(self, name: str) -> Seen:
        """Follow a job to its end; what would run for ever is cancelled first."""
        seen = self._jobs[name]
        for other, its in self._jobs.items():
            if its.is_endless and not its.is_cancelled:
                self.cancel(other)
        request = pb.WatchJobRequest(name=name, after_sequence=seen.cursor)
        for response in self._peer.jobs.WatchJob(request, timeout=TIMEOUT_S):
            self._note(seen, response.event)
        return seen

    @rule(name=names, after=st.integers(0, 12), page_size=st.integers(1, 5))
    def list_events(self, name: str, after: int, page_size: int) -> None:
        """The log reads the same from any place, by stream or by page."""
        seen = self._jobs[name]
        if seen.is_deleted or after > max(seen.log, default=0):
            return
        request = pb.ListJobEventsRequest(name=name, after_sequence=after, page_size=page_size)
        page = self._peer.jobs.ListJobEvents(request, timeout=TIMEOUT_S).events
        assert len(page) <= page_size
        assert [event.sequence for event in page] == list(range(after + 1, after + 1 + len(page)))
        for event in page:
            self._remember(seen, event)

    @rule(target=names, name=names)
    def retry(self, name: str) -> str:
        seen = self._jobs[name]
        request = pb.RetryJobRequest(name=name, request_id=uuid.uuid4().hex)
        if seen.is_deleted:
            assert self._refusal(lambda: self._peer.jobs.RetryJob(request)) == "JOB_NOT_FOUND"
            return name
        if not seen.final:
            self._ended(name)
        job = self._peer.jobs.RetryJob(request, timeout=TIMEOUT_S).job
        assert (job.retry_of, job.spec) == (name, self._job(name).spec)
        again = self._peer.jobs.RetryJob(request, timeout=TIMEOUT_S)
        assert (again.job.name, again.deduplicated) == (job.name, True)
        self._jobs[job.name] = Seen(
            request_id=request.request_id,
            spec=seen.spec,
            is_endless=seen.is_endless,
            retry_of=name,
        )
        return job.name

    @rule(name=names)
    def delete(self, name: str) -> None:
        seen = self._jobs[name]
        request = pb.DeleteJobRequest(name=name)
        if seen.is_deleted:
            assert self._refusal(lambda: self._peer.jobs.DeleteJob(request)) == "JOB_NOT_FOUND"
            return
        if seen.is_endless and not seen.is_cancelled:
            assert self._refusal(lambda: self._peer.jobs.DeleteJob(request)) == "JOB_NOT_FINISHED"
            return
        self._ended(name)
        wrong = pb.DeleteJobRequest(name=name, etag="another")
        assert self._refusal(lambda: self._peer.jobs.DeleteJob(wrong)) == "ETAG_MISMATCH"
        request.etag = self._job(name).etag
        self._peer.jobs.DeleteJob(request, timeout=TIMEOUT_S)
        seen.is_deleted = True

    @precondition(lambda self: self._jobs)
    @rule(page_size=st.integers(1, 3))
    def list_jobs(self, page_size: int) -> None:
        """Pages together are all jobs, newest first, each once."""
        found: list[str] = []
        token = ""
        while token or not found:
            request = pb.ListJobsRequest(page_size=page_size, page_token=token)
            page = self._peer.jobs.ListJobs(request, timeout=TIMEOUT_S)
            found += [job.name for job in page.jobs]
            token = page.next_page_token
            if not token:
                break
        there = [name for name, seen in self._jobs.items() if not seen.is_deleted]
        assert found == sorted(there, reverse=True)

    @invariant()
    def what_has_ended_stays_as_it_is(self) -> None:
        for name, seen in self._jobs.items():
            if seen.is_deleted:
                request = pb.GetJobRequest(name=name)
                reason = self._refusal(lambda request=request: self._peer.jobs.GetJob(request))
                assert reason == "JOB_NOT_FOUND"
                continue
            job = self._job(name)
            assert job.last_sequence >= max(seen.log, default=0)
            if seen.final:
                assert job.SerializeToString(deterministic=True) == seen.final

    def _job(self, name: str) -> pb.Job:
        job: pb.Job = self._peer.jobs.GetJob(pb.GetJobRequest(name=name), timeout=TIMEOUT_S).job
        return job

    def _note(self, seen: Seen, event: pb.JobEvent) -> None:
        """Take an event of a watch: none is left out, none comes twice, none follows the last."""
        match event.WhichOneof("kind"):
            case "heartbeat":
                return
            case "snapshot":
                assert seen.cursor == 0
                seen.has_ended = event.snapshot.state in FINAL
            case "finished" if seen.final or seen.has_ended:  # told whatever the cursor is
                assert event.sequence == seen.cursor
            case _:
                assert event.sequence == seen.cursor + 1
                assert not seen.has_ended
                assert not seen.final
        seen.cursor = event.sequence
        self._remember(seen, event)

    def _remember(self, seen: Seen, event: pb.JobEvent) -> None:
        if event.HasField("finished"):
            final = event.finished.SerializeToString(deterministic=True)
            assert seen.final in (b"", final)
            assert event.finished.state in FINAL
            seen.final = final
        if not event.HasField("snapshot"):
            content = event.SerializeToString(deterministic=True)
            assert seen.log.setdefault(event.sequence, content) == content

    @staticmethod
    def _refusal(call: Callable[[], Any]) -> str:
        with pytest.raises(grpc.RpcError) as refused:
            call()
        return reason_of(refused.value)


def test_promises_hold_in_any_order() -> None:
    run_state_machine_as_test(
        Clients,
        settings=settings(
            max_examples=6,
            stateful_step_count=25,
            phases=(Phase.generate,),  # each try starts servers: to shrink would take minutes
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
