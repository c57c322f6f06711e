"""What becomes of jobs, for metrics and traces: all of it is read off the journal's commits."""

from collections.abc import Iterable

from pipeline import StageRecord
from server.engine import TaskKind
from server.jobs import Job, JobState, StageProgressed, StageState, StateChanged
from server.journal import Commit, Entry
from server.observe.metrics import Metrics
from server.observe.tracing import Span, TaskSpans, Tracer, start_job


class JobTelemetry:
    """Counts jobs and stages, and has a span for each job that has not ended. On the event loop."""

    def __init__(self, metrics: Metrics, tracer: Tracer) -> None:
        self._metrics = metrics
        self._tracer = tracer
        self._spans: dict[str, Span] = {}
        self._queued_us: dict[str, int] = {}

    def created(self, uid: str, call: str) -> None:
        """A job was made by a call with that `traceparent`, "" for none."""
        self._spans[uid] = start_job(self._tracer, uid, call)

    def task(self, uid: str, kind: TaskKind, attempt: int) -> TaskSpans:
        """A try at a task begins, perhaps of a job that an earlier server has made."""
        if uid not in self._spans:
            self.created(uid, "")
        return TaskSpans(self._tracer, self._spans[uid].traceparent, kind.value, uid, attempt)

    def ran(self, records: Iterable[StageRecord]) -> None:
        """A task has ended well; `records` are of its own stages."""
        for record in records:
            if not record.reused:  # those are in the log
                self._metrics.stage_ended(record.stage.value, record.seconds)

    def committed(self, commit: Commit) -> None:
        """The journal has made changes durable."""
        self._metrics.journal_committed(commit.seconds, len(commit.settled))
        for uid, entry in commit.news:
            self._heard(uid, entry)

    def _heard(self, uid: str, entry: Entry) -> None:
        event = entry.event
        if event.sequence == 1:
            self._queued_us[uid] = event.time_us
        match event.happening:
            case StageProgressed(state=StageState.REUSED, stage=stage):
                self._metrics.stage_reused(stage.value)
            case StateChanged(state=JobState.RUNNING) if uid in self._queued_us:
                waited_us = event.time_us - self._queued_us.pop(uid)
                self._metrics.job_started(waited_us / 1e6)
            case StateChanged(state=state) if state.is_final and entry.job is not None:
                self._ended(entry.job)

    def _ended(self, job: Job) -> None:
        self._queued_us.pop(job.uid, None)
        self._metrics.job_ended(job.state.value, job.run_us / 1e6)
        if span := self._spans.pop(job.uid, None):
            error = job.details.error
            span.end(error.reason if error else "")
