"""What only the whole server shows: that its parts are put together as its documents say."""

import json
import logging
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from server.access.audit_file import FILE_NAME
from server.access.principal import ALL_BUT_ADMIN, Scope
from server.access.tokens import TokenStore
from server.journal.changes import Journal
from server.journal.epoch import Mark
from server.journal.writer import Commit, Pending, Writer
from server.pb import lodsmith_pb2 as pb
from tests.server.conftest import Peer
from tests.server.transport.conftest import ask_port, free_port, http_port_of


def test_calls_are_audited_in_the_file_that_tokens_are(start_server: Any) -> None:
    with start_server() as peer:
        job = peer.create("quick")
        folder = peer.config.data_dir
    lines = (folder / FILE_NAME).read_text().splitlines()
    assert [json.loads(line)["resource"] for line in lines] == [job.name]


def test_figures_are_for_admins_where_a_token_is_asked_for(start_server: Any) -> None:
    port = free_port()  # who may not call is not told it
    with start_server(auth="token", http_port=port, warm_generator=False) as peer:
        tokens = TokenStore(peer.config.data_dir / "access.sqlite3", clock=lambda: 1)
        statuses = []
        for scopes in (None, ALL_BUT_ADMIN, {Scope.ADMIN}):
            lines = {}
            if scopes is not None:
                _, text = tokens.add(name="p", project="p", scopes=scopes, expire_us=None)
                lines = {"authorization": f"Bearer {text}"}
            statuses.append(ask_port(port, "GET", "/metrics", None, lines).status)
        tokens.close()
        assert ask_port(port, "GET", "/v1/health/live").status == 200
    assert statuses == [401, 403, 200]


SECRET = "zeppelin"


@pytest.mark.parametrize("log_prompts", [False, True])
def test_prompts_are_in_the_log_only_where_that_is_wanted(
    start_server: Any,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    log_prompts: bool,
) -> None:
    path = "/lodsmith.v1.JobService/CreateJob"
    lines = {"content-type": "application/json"}
    with (
        caplog.at_level(logging.DEBUG),
        start_server(log_prompts=log_prompts, log_level="DEBUG") as peer,
    ):
        for work in ("a", "fail", "bug"):
            peer.finished(peer.create(f"{work} {SECRET}"))
        port = http_port_of(peer)
        for spec in ({"prompt": SECRET}, {"seed": SECRET}, {SECRET: 1}, {"asset_name": [SECRET]}):
            ask_port(port, "POST", path, json.dumps({"spec": spec}).encode(), lines)
        ask_port(port, "POST", "/v1/infer", json.dumps({"prompt": SECRET}).encode())
        ask_port(port, "GET", f"/v1/infer?prompt={SECRET}")
    written = caplog.text + capfd.readouterr().err
    assert "CreateJob: INVALID_ARGUMENT: INVALID_INPUT" in written
    assert (SECRET in written.lower()) == log_prompts


class SlowJournal:
    """Holds commits back while it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.holds = False
        self.is_reached = threading.Event()
        self.goes_on = threading.Event()
        quick = Writer._commit

        def slow(writer: Writer, journal: Journal, mark: Mark, batch: Sequence[Pending]) -> Commit:
            if self.holds:
                self.is_reached.set()
                assert self.goes_on.wait(10)
            return quick(writer, journal, mark, batch)

        monkeypatch.setattr(Writer, "_commit", slow)

    def cut(self, peer: Peer, name: str, caplog: pytest.LogCaptureFixture, request: Any) -> None:
        """Make a call whose client leaves before anything is committed."""
        self.holds = True
        call = getattr(peer.jobs, name).future(request)
        assert self.is_reached.wait(10)
        call.cancel()
        for _ in range(3):  # on the same connection, so after the end of the call
            peer.catalog.GetServerInfo(pb.GetServerInfoRequest())
        self.holds = False
        self.goes_on.set()
        while f"{name}: left by the client" not in caplog.text:
            peer.client.info()


def test_a_job_runs_whose_client_left_before_it_was_written_down(
    start_server: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = SlowJournal(monkeypatch)
    with caplog.at_level(logging.INFO), start_server(warm_generator=False) as peer:
        peer.finished(peer.create_mesh("a mesh"))  # from here on, nothing happens by itself
        spec = pb.JobSpec(mesh=peer.upload("another mesh"))
        journal.cut(peer, "CreateJob", caplog, pb.CreateJobRequest(spec=spec))
        while len(jobs := peer.jobs.ListJobs(pb.ListJobsRequest()).jobs) < 2:
            pass
        watch = peer.jobs.WatchJob(pb.WatchJobRequest(name=jobs[0].name), timeout=10)
        assert list(watch)[-1].event.finished.state == pb.JOB_STATE_SUCCEEDED
    entries = map(json.loads, (peer.config.data_dir / "audit.jsonl").read_text().splitlines())
    created = [entry for entry in entries if entry["rpc"] == "CreateJob"]
    assert [entry["code"] for entry in created] == ["OK", "CANCELLED"]
    assert created[1]["resource"] == jobs[0].name


def test_a_job_ends_whose_client_left_before_its_cancelling_was_written_down(
    start_server: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = SlowJournal(monkeypatch)
    with caplog.at_level(logging.INFO), start_server(warm_generator=False) as peer:
        job = peer.create_mesh("python")  # says something once
        peer.until(job, pb.STAGE_KIND_PREPROCESS)
        journal.cut(peer, "CancelJob", caplog, pb.CancelJobRequest(name=job.name))
        watch = peer.jobs.WatchJob(pb.WatchJobRequest(name=job.name), timeout=10)
        assert list(watch)[-1].event.finished.state == pb.JOB_STATE_CANCELLED
