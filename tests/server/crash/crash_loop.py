"""Kills servers and workers again and again, and holds what clients saw against the promises.

Rounds: a server starts on the data folder of the round before, clients on both transports create
jobs and watch them, then the server is killed, at a random moment or at a named point; sometimes a
worker goes first. At the end one more server finishes what is left, and the books are checked.
"""

import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from server.pb import lodsmith_pb2 as pb
from server.pb import lodsmith_pb2_grpc as pb_grpc
from tests.server.crash import connect_watch

HOST = "127.0.0.1"
FINAL = (pb.JOB_STATE_SUCCEEDED, pb.JOB_STATE_FAILED, pb.JOB_STATE_CANCELLED)
LOST = (pb.ERROR_REASON_WORKER_LOST, pb.ERROR_REASON_INPUT_QUARANTINED)
SERVER_POINTS = ("commit.before", "commit.after", "create.answer", "report.taken", "collect.rows")
WORKER_POINTS = ("publish.before", "publish.after", "report.send", "report.sent")
JOBS_PER_ROUND = 3
MAX_OPEN_JOBS = 12  # more only wait, and each has two clients that never rest
_SETTLE_S = 120.0
_RETRY_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Books:
    """What came of a run.

    named_kills: servers that died at a named point. rounds_with_worker_points: those whose workers
    may have died at one. repeated_work: tasks that were begun more than once.
    violations: broken promises, in words; empty when all were kept.
    """

    rounds: int
    jobs: int
    server_kills: int
    worker_kills: int
    named_kills: int
    rounds_with_worker_points: int
    streams_opened: int
    events_seen: int
    blobs: int
    repeated_work: int
    states: dict[str, int]
    violations: tuple[str, ...]


@dataclass(kw_only=True)
class _Watched:
    """A job as one client has seen it. events: by sequence, without what differs per read."""

    name: str
    transport: str
    sequences: list[int] = field(default_factory=list)
    events: dict[int, bytes] = field(default_factory=dict)
    snapshot: int | None = None
    final: int | None = None
    after_final: int = 0
    streams: int = 0
    is_done: bool = False


class CrashLoop:
    """One run. Everything random comes from `seed`; what the machine makes of it does not."""

    def __init__(self, folder: Path, *, rounds: int, seed: int) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._rounds = rounds
        self._random = random.Random(seed)
        self._port, self._http_port = _free_port(), _free_port()
        self._channel = grpc.insecure_channel(
            f"{HOST}:{self._port}", options=[("grpc.max_reconnect_backoff_ms", 300)]
        )
        self._jobs = pb_grpc.JobServiceStub(self._channel)
        self._watched: list[_Watched] = []
        self._threads: list[threading.Thread] = []
        self._final_states: dict[str, int] = {}
        self._specs: list[pb.JobSpec] = []
        self._created: list[str] = []
        self._requests: dict[str, str] = {}
        self._cancelled: set[str] = set()
        self._progress_count = 0
        self._is_over = threading.Event()
        self._kills = dict.fromkeys(("server", "worker", "named", "worker point"), 0)
        self._violations: list[str] = []

    def run(self) -> Books:
        """Do all rounds and check."""
        models = self._folder / "models"
        models.mkdir(parents=True)
        (models / "pipeline.json").write_text("{}")
        for number in range(self._rounds):
            self._round(number)
        server = self._server("")
        try:
            for thread in self._threads:
                thread.join(_SETTLE_S)
            self._is_over.set()
            self._check_jobs()
            blobs = self._check_blobs()
        finally:
            server.kill()
            server.wait()
        self._check_watches()
        repeated = self._check_commits()
        states = [self._final_states.get(name) for name in self._created]
        return Books(
            rounds=self._rounds,
            jobs=len(self._created),
            server_kills=self._kills["server"],
            worker_kills=self._kills["worker"],
            named_kills=self._kills["named"],
            rounds_with_worker_points=self._kills["worker point"],
            streams_opened=sum(watched.streams for watched in self._watched),
            events_seen=sum(len(watched.sequences) for watched in self._watched),
            blobs=blobs,
            repeated_work=repeated,
            states={
                pb.JobState.Name(state): states.count(state) for state in FINAL if state in states
            },
            violations=tuple(self._violations),
        )

    def _round(self, number: int) -> None:
        rng = self._random
        point = ""
        if rng.random() < 0.5:
            point = rng.choice(SERVER_POINTS + WORKER_POINTS)
        self._kills["worker point"] += point in WORKER_POINTS
        server = self._server(point, after=rng.randint(1, 40 if point.startswith("commit") else 3))
        open_count = sum(thread.is_alive() for thread in self._threads)
        creators = [
            threading.Thread(target=self._create, args=(self._next_spec(), number + index))
            for index in range(min(JOBS_PER_ROUND, MAX_OPEN_JOBS - open_count))
        ]
        for creator in creators:
            creator.start()
        self._threads += creators
        if rng.random() < 0.8:  # else it dies while it starts, or right after
            self._wait_for_work(server)
        time.sleep(rng.uniform(0.0, 1.0))
        if not point and rng.random() < 0.3:
            self._kill_worker(server.pid)
            time.sleep(rng.uniform(0.0, 0.3))
        if rng.random() < 0.3 and self._created:
            self._cancel(rng.choice(self._created))
        if point:
            time.sleep(rng.uniform(0.0, 2.0))
        is_dead = server.poll() is not None  # by itself, at its named point
        self._kills["named" if is_dead else "server"] += 1
        server.kill()
        server.wait()

    def _wait_for_work(self, server: "subprocess.Popen[bytes]") -> None:
        """Return when a stage has reported, or the server has died of its named point."""
        before = self._progress_count
        deadline_s = time.monotonic() + 20
        while self._progress_count == before and server.poll() is None:
            if time.monotonic() > deadline_s:
                break
            time.sleep(0.02)

    def _server(self, point: str, after: int = 1) -> "subprocess.Popen[bytes]":
        environment = os.environ | {
            "LODSMITH_PORT": str(self._port),
            "LODSMITH_HTTP_PORT": str(self._http_port),
            "LODSMITH_DATA_DIR": str(self._data),
            "LODSMITH_MODELS": str(self._folder / "models"),
            "LODSMITH_PIPELINE": "tests.server.fake_pipeline",
            "LODSMITH_DEVICE": "cpu",
            "LODSMITH_SPARE_MESH_WORKERS": "0",
            "LODSMITH_MIN_FREE_DISK_BYTES": "0",
            "LODSMITH_GC_INTERVAL_S": "0.5",
            "LODSMITH_CALL_RATE_PER_S": "0",
            "LODSMITH_LOG_LEVEL": "WARNING",
            "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path),
        }
        if point:
            environment["LODSMITH_FAILPOINT"] = f"{point}:{after}"
        log = (self._folder / "server.log").open("ab")
        server = subprocess.Popen([sys.executable, "-m", "server"], env=environment, stderr=log)
        log.close()
        self._count_commits()
        return server

    def _count_commits(self) -> None:
        """Have SQLite itself note each time that a task is marked as done."""
        journal = self._data / "journal.sqlite3"
        deadline_s = time.monotonic() + 30
        while time.monotonic() < deadline_s:
            try:
                with sqlite3.connect(journal, timeout=5) as database:
                    database.execute(
                        "CREATE TABLE IF NOT EXISTS crash_commits (job_uid TEXT, position INTEGER)"
                    )
                    database.execute(
                        "CREATE TRIGGER IF NOT EXISTS crash_commit AFTER UPDATE OF state ON tasks"
                        " WHEN NEW.state = 'done' AND OLD.state != 'done'"
                        " BEGIN INSERT INTO crash_commits VALUES (NEW.job_uid, NEW.position); END"
                    )
                return
            except sqlite3.OperationalError:  # not made yet
                time.sleep(0.05)
        raise AssertionError("the server made no journal within 30 s; see server.log")

    def _next_spec(self) -> pb.JobSpec:
        """A job of a few dozen events; now and then one that was there before."""
        if self._specs and self._random.random() < 0.25:
            return self._random.choice(self._specs)
        seed = self._random.randrange(2**40)
        steps = self._random.randint(5, 30)
        spec = pb.JobSpec(prompt=f"steps{steps} of {seed}", seed=seed, asset_name=f"steps{steps}")
        self._specs.append(spec)
        return spec

    def _create(self, spec: pb.JobSpec, number: int) -> None:
        """Create a job, by one transport or the other, and watch it on both."""
        request = pb.CreateJobRequest(request_id=uuid.uuid4().hex, spec=spec)
        name = ""
        while not name and not self._is_over.is_set():
            try:
                if number % 2:
                    content = connect_watch.call(
                        HOST, self._http_port, "CreateJob", request.SerializeToString()
                    )
                    name = pb.CreateJobResponse.FromString(content).job.name
                else:
                    name = self._jobs.CreateJob(request, timeout=5).job.name
            except (connect_watch.StreamCut, grpc.RpcError):
                time.sleep(_RETRY_S)
        if not name:
            self._violations.append(f"request {request.request_id} was never accepted")
            return
        self._created.append(name)
        self._requests[request.request_id] = name
        watchers = []
        for transport in ("grpc", "connect"):
            watched = _Watched(name=name, transport=transport)
            self._watched.append(watched)
            watchers.append(threading.Thread(target=self._watch, args=(watched,)))
            watchers[-1].start()
        for watcher in watchers:
            watcher.join()

    def _watch(self, watched: _Watched) -> None:
        """Follow a job to its end across all cuts; now and then hang up without a reason."""
        rng = random.Random(f"{watched.name} {watched.transport}")
        while not watched.is_done and not self._is_over.is_set():
            after = watched.sequences[-1] if watched.sequences else (watched.snapshot or 0)
            request = pb.WatchJobRequest(name=watched.name, after_sequence=after)
            watched.streams += 1
            try:
                if watched.transport == "connect":
                    for event in connect_watch.watch(HOST, self._http_port, request):
                        self._take(watched, event)
                        if rng.random() < 0.02:
                            break
                else:
                    stream = self._jobs.WatchJob(request)
                    for response in stream:
                        self._take(watched, response.event)
                        if rng.random() < 0.02:
                            stream.cancel()
                            break
            except (connect_watch.StreamCut, grpc.RpcError):
                time.sleep(_RETRY_S)

    def _take(self, watched: _Watched, event: pb.JobEvent) -> None:
        kind = event.WhichOneof("kind")
        if kind == "heartbeat":
            return
        if kind == "snapshot":
            if watched.snapshot is not None and watched.sequences:
                self._violations.append(f"{watched.name}: a snapshot in spite of a cursor")
            watched.snapshot = event.sequence
            return
        self._progress_count += event.progress.state == pb.STAGE_STATE_RUNNING
        watched.after_final += watched.final is not None
        watched.sequences.append(event.sequence)
        if kind == "finished":
            watched.final = event.finished.state
            watched.is_done = True
        else:
            watched.events[event.sequence] = event.SerializeToString(deterministic=True)

    def _cancel(self, name: str) -> None:
        with suppress(grpc.RpcError):  # perhaps it was taken, perhaps not
            self._jobs.CancelJob(pb.CancelJobRequest(name=name), timeout=1)
        self._cancelled.add(name)

    def _kill_worker(self, server: int) -> None:
        """Kill one of the server's processes, if it has any yet."""
        children = Path(f"/proc/{server}/task/{server}/children")
        try:
            workers = [int(pid) for pid in children.read_text().split()]
            if workers:
                os.kill(self._random.choice(workers), signal.SIGKILL)
                self._kills["worker"] += 1
        except (FileNotFoundError, ProcessLookupError):
            pass

    # The books

    def _check_jobs(self) -> None:
        """Every job that was accepted has ended, for a reason that the run explains."""
        for name in self._created:
            try:
                job = self._jobs.GetJob(pb.GetJobRequest(name=name), timeout=10).job
            except grpc.RpcError as error:
                self._violations.append(f"{name} is lost: {error.code()}")
                continue
            self._final_states[name] = job.state
            if job.state not in FINAL:
                self._violations.append(f"{name} never ended: {pb.JobState.Name(job.state)}")
            if job.state == pb.JOB_STATE_CANCELLED and name not in self._cancelled:
                self._violations.append(f"{name} was cancelled by nobody")
            workers_died = self._kills["worker"] + self._kills["worker point"] > 0
            if job.state == pb.JOB_STATE_FAILED and not (workers_died and job.error.reason in LOST):
                self._violations.append(f"{name} failed: {job.error.message}")
        for request_id, name in self._requests.items():
            spec = self._jobs.GetJob(pb.GetJobRequest(name=name)).job.spec
            again = pb.CreateJobRequest(
                request_id=request_id,
                spec=pb.JobSpec(prompt=spec.prompt, seed=spec.seed, asset_name=spec.asset_name),
            )
            answer = self._jobs.CreateJob(again, timeout=10)
            if answer.job.name != name or not answer.deduplicated:
                self._violations.append(f"request {request_id} made a second job")

    def _check_blobs(self) -> int:
        """All bytes on the disk hash to their names, and those of results can be read."""
        folder = self._data / "artifacts" / "sha256"
        count = 0
        for path in folder.glob("*/*"):
            count += 1
            if hashlib.sha256(path.read_bytes()).hexdigest() != path.name:
                self._violations.append(f"blob {path.name} is torn")
        blobs = pb_grpc.BlobServiceStub(self._channel)
        for name in self._created:
            job = self._jobs.GetJob(pb.GetJobRequest(name=name), timeout=10).job
            for artifact in job.result.artifacts:
                request = pb.ReadBlobRequest(digest=artifact.digest)
                content = b"".join(chunk.data for chunk in blobs.ReadBlob(request))
                if hashlib.sha256(content).digest() != artifact.digest.sha256:
                    self._violations.append(f"{name}: {artifact.file_name} is not its digest")
        return count

    def _check_watches(self) -> None:
        """Every watch is gapless, in order, ends once, and both transports tell the same."""
        told: dict[str, dict[int, bytes]] = {}
        for watched in self._watched:
            where = f"{watched.name} on {watched.transport}"
            if not watched.is_done:
                self._violations.append(f"{where}: no end was told")
                continue
            first = watched.sequences[0]
            if watched.snapshot is not None and first > watched.snapshot + 1:
                self._violations.append(f"{where}: a gap after the snapshot")
            if watched.sequences != list(range(first, first + len(watched.sequences))):
                self._violations.append(f"{where}: gaps or repeats in {watched.sequences}")
            if watched.after_final:
                self._violations.append(f"{where}: events after the end")
            if watched.final != self._final_states.get(watched.name):
                self._violations.append(f"{where}: the end changed")
            known = told.setdefault(watched.name, {})
            for sequence, content in watched.events.items():
                if known.setdefault(sequence, content) != content:
                    self._violations.append(f"{where}: event {sequence} was told in two ways")

    def _check_commits(self) -> int:
        """No task was marked as done twice. Returns how many were begun more than once."""
        with sqlite3.connect(self._data / "journal.sqlite3") as database:
            twice = database.execute(
                "SELECT job_uid, position, count(*) FROM crash_commits"
                " GROUP BY job_uid, position HAVING count(*) > 1"
            ).fetchall()
            self._violations += [f"task {task} was committed {n} times" for *task, n in twice]
            gaps = database.execute(
                "SELECT uid FROM jobs WHERE last_sequence !="
                " (SELECT count(*) FROM events WHERE job_uid = uid)"
            ).fetchall()
            self._violations += [f"the log of {uid} has gaps" for (uid,) in gaps]
            row = database.execute("SELECT count(*) FROM tasks WHERE attempt > 1").fetchone()
            return int(row[0])


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def main(arguments: Sequence[str]) -> int:
    """Run `--rounds N --seed S`, print the books as JSON; 1 when a promise was broken."""
    import argparse
    import tempfile
    from dataclasses import asdict

    parser = argparse.ArgumentParser(prog="python -m tests.server.crash.crash_loop")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="lodsmith-crash-") as folder:
        books = CrashLoop(Path(folder), rounds=options.rounds, seed=options.seed).run()
        print(json.dumps(asdict(books), indent=2))
        if books.violations:
            log = (Path(folder) / "server.log").read_text()
            print(log[-5000:], file=sys.stderr)
    return 1 if books.violations else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
