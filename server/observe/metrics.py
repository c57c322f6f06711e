"""Figures of a running server, in the format that Prometheus reads.

One method per happening. Labels have few values, all of them ours: nothing that a caller made up
becomes a series.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4  # what every Prometheus reads
OTHER = "other"

# From what a cached answer takes to the longest calls that are no streams.
_CALL_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
_JOB_S = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)
_COMMIT_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2)
_BATCH = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclass(frozen=True, kw_only=True)
class Levels:
    """What is looked up at the moment somebody asks for the figures.

    jobs: how many there are, by state.
    workers: how many there are, by kind and state.
    disk_free_bytes, disk_used_bytes: of the file system with the data folder; of the artifacts.
    """

    jobs: Mapping[str, int] = field(default_factory=dict)
    workers: Mapping[tuple[str, str], int] = field(default_factory=dict)
    disk_free_bytes: int = 0
    disk_used_bytes: int = 0


class Metrics:
    """All figures of one server, in a registry of their own. Callable on any thread."""

    def __init__(self, rpcs: Collection[str]) -> None:
        """Begin at 0.

        Args:
            rpcs: Names of all methods; calls of any other one are counted as "other".
        """
        self._rpcs = frozenset(rpcs)
        self._levels: Callable[[], Levels] = Levels
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        registry.register(_AtScrape(lambda: self._levels()))

        self._calls = Counter(
            "lodsmith_calls",
            "Calls that have ended.",
            ("rpc", "transport", "code"),
            registry=registry,
        )
        self._call_seconds = Histogram(
            "lodsmith_call_seconds",
            "How long calls took.",
            ("rpc", "transport"),
            buckets=_CALL_S,
            registry=registry,
        )
        # `labels()` takes longer than counting: each pair is looked up once.
        self._of_call: dict[tuple[str, str, str], tuple[Counter, Histogram]] = {}
        self._open_watches = Gauge(
            "lodsmith_open_watches", "Watches that are open.", registry=registry
        )
        self._events_sent = Counter(
            "lodsmith_events_sent", "Events sent to watchers.", registry=registry
        )
        self._job_wait_seconds = Histogram(
            "lodsmith_job_wait_seconds",
            "From a job's creation to its first start.",
            buckets=_JOB_S,
            registry=registry,
        )
        self._job_run_seconds = Histogram(
            "lodsmith_job_run_seconds",
            "From a job's first start to its end, by the state it ended in.",
            ("state",),
            buckets=_JOB_S,
            registry=registry,
        )
        self._stage_seconds = Histogram(
            "lodsmith_stage_seconds",
            "How long stages took that ran.",
            ("stage",),
            buckets=_JOB_S,
            registry=registry,
        )
        self._stages_reused = Counter(
            "lodsmith_stages_reused",
            "Stages whose results were there already.",
            ("stage",),
            registry=registry,
        )
        self._worker_restarts = Counter(
            "lodsmith_worker_restarts",
            "Worker processes that were replaced.",
            ("kind", "cause"),
            registry=registry,
        )
        self._blob_received_bytes = Counter(
            "lodsmith_blob_received_bytes", "Bytes of blobs that arrived.", registry=registry
        )
        self._blob_sent_bytes = Counter(
            "lodsmith_blob_sent_bytes", "Bytes of blobs that left.", registry=registry
        )
        self._journal_commit_seconds = Histogram(
            "lodsmith_journal_commit_seconds",
            "How long commits of the journal took.",
            buckets=_COMMIT_S,
            registry=registry,
        )
        self._journal_batch_changes = Histogram(
            "lodsmith_journal_batch_changes",
            "Changes per commit of the journal.",
            buckets=_BATCH,
            registry=registry,
        )

    def read_levels_from(self, levels: Callable[[], Levels]) -> None:
        """Call `levels` at each `render`, on its thread; must be quick."""
        self._levels = levels

    def call_ended(self, rpc: str, transport: str, code: str, seconds: float) -> None:
        """A call of a method has ended with a gRPC code, by name."""
        key = (rpc if rpc in self._rpcs else OTHER, transport, code)
        pair = self._of_call.get(key)
        if pair is None:
            pair = (self._calls.labels(*key), self._call_seconds.labels(*key[:2]))
            self._of_call[key] = pair
        calls, call_seconds = pair
        calls.inc()
        call_seconds.observe(seconds)

    def watch_opened(self) -> None:
        """Somebody watches a job."""
        self._open_watches.inc()

    def watch_closed(self) -> None:
        """A watch has ended, however it did."""
        self._open_watches.dec()

    def events_sent(self, count: int) -> None:
        """Events went to a watcher; heartbeats do not count."""
        self._events_sent.inc(count)

    def job_started(self, waited_s: float) -> None:
        """A job runs for the first time."""
        self._job_wait_seconds.observe(waited_s)

    def job_ended(self, state: str, ran_s: float) -> None:
        """A job is in a state that nothing follows."""
        self._job_run_seconds.labels(state).observe(ran_s)

    def stage_ended(self, stage: str, seconds: float) -> None:
        """A stage ran to its end."""
        self._stage_seconds.labels(stage).observe(seconds)

    def stage_reused(self, stage: str) -> None:
        """A stage did not have to run."""
        self._stages_reused.labels(stage).inc()

    def worker_replaced(self, kind: str, cause: str) -> None:
        """A worker process gave its place to another one."""
        self._worker_restarts.labels(kind, cause).inc()

    def blob_received(self, size_bytes: int) -> None:
        """Bytes of an upload arrived."""
        self._blob_received_bytes.inc(size_bytes)

    def blob_sent(self, size_bytes: int) -> None:
        """Bytes of a download left."""
        self._blob_sent_bytes.inc(size_bytes)

    def journal_committed(self, seconds: float, change_count: int) -> None:
        """The journal made a batch of changes durable."""
        self._journal_commit_seconds.observe(seconds)
        self._journal_batch_changes.observe(change_count)

    def render(self) -> bytes:
        """Return all figures as Prometheus reads them, with `CONTENT_TYPE`."""
        return generate_latest(self._registry)


class _AtScrape(Collector):
    """Figures that are looked up when they are asked for."""

    def __init__(self, levels: Callable[[], Levels]) -> None:
        self._levels = levels

    def describe(self) -> Iterable[Metric]:
        """Name no figures, so that registering this reads none."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Look."""
        levels = self._levels()
        jobs = GaugeMetricFamily("lodsmith_jobs", "Jobs there are.", labels=("state",))
        for state, count in levels.jobs.items():
            jobs.add_metric((state,), count)
        workers = GaugeMetricFamily(
            "lodsmith_workers", "Worker processes.", labels=("kind", "state")
        )
        for kind_and_state, count in levels.workers.items():
            workers.add_metric(kind_and_state, count)
        yield jobs
        yield workers
        yield GaugeMetricFamily(
            "lodsmith_disk_free_bytes",
            "Free space of the file system with the data folder.",
            value=levels.disk_free_bytes,
        )
        yield GaugeMetricFamily(
            "lodsmith_disk_used_bytes", "Size of all artifacts.", value=levels.disk_used_bytes
        )
