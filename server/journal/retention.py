"""What the journal forgets with time. Bytes are deleted later, by `server/collector.py`."""

from dataclasses import dataclass

from server.journal import blobs, stage_cache
from server.journal.changes import Journal

_ROWS_PER_CHANGE = 100  # other changes wait for this one: some milliseconds


@dataclass(frozen=True, kw_only=True)
class Retention:
    """How long things are kept, seconds.

    jobs_s: a job after its end. events_s: its log but the last event. cache_s: what work left,
    after its last use, and what is known of work that kills workers. blobs_s: a blob that nothing
    needs, such as an upload, after it came.
    """

    jobs_s: float
    events_s: float
    cache_s: float
    blobs_s: float


@dataclass(frozen=True, kw_only=True)
class Collected:
    """How much was forgotten."""

    job_count: int = 0
    log_count: int = 0
    cache_count: int = 0
    blob_count: int = 0

    @property
    def is_all(self) -> bool:
        """Whether nothing is left to be forgotten now."""
        counts = (self.job_count, self.log_count, self.cache_count, self.blob_count)
        return max(counts) < _ROWS_PER_CHANGE


def collect(journal: Journal, keep: Retention) -> Collected:
    """Forget at most a hundred of each kind, within one transaction."""
    now_us = journal.now_us()

    def before_us(seconds: float) -> int:
        return now_us - round(seconds * 1e6)

    return Collected(
        job_count=_forget_jobs(journal, before_us(keep.jobs_s)),
        log_count=_compact_logs(journal, before_us(keep.events_s)),
        cache_count=stage_cache.forget_unused(
            journal.database, before_us(keep.cache_s), _ROWS_PER_CHANGE
        ),
        # After the rows that hold them.
        blob_count=blobs.forget_unused(journal.database, before_us(keep.blobs_s), _ROWS_PER_CHANGE),
    )


def _forget_jobs(journal: Journal, before_us: int) -> int:
    rows = journal.database.execute(
        "SELECT uid, project FROM jobs WHERE end_us < ? ORDER BY end_us LIMIT ?",
        (before_us, _ROWS_PER_CHANGE),
    ).fetchall()
    for uid, project in rows:
        journal.forget(uid, project)
    return len(rows)


def _compact_logs(journal: Journal, before_us: int) -> int:
    rows = journal.database.execute(
        "SELECT uid FROM jobs WHERE end_us < ? AND first_sequence < last_sequence LIMIT ?",
        (before_us, _ROWS_PER_CHANGE),
    ).fetchall()
    for (uid,) in rows:
        journal.compact(uid)
    return len(rows)
