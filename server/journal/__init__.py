"""The journal: jobs, tasks and the log of their events, and which blobs they need. Durable.

It is the truth about jobs. One SQLite file (WAL, synchronous FULL); one thread writes, and all
changes that wait are committed together, so that durability costs one fsync for many events. What
a write returns has been committed, and nobody hears of an event before.

    schema       the tables, and how older files become these
    changes      what may be done to jobs and tasks, each within one transaction
    blobs        which project has which blob, and what needs it
    stage_cache  what tasks have left for the next ones that are the same
    retention    what is forgotten with time
    reads        what is asked
    writer       the thread that writes
    tail         the end of each followed log, in memory
    epoch        which log this is, after a backup was restored
    reserve      disk space for the ends of jobs when there is none left
    store        the door to all of it
"""

from server.journal.changes import Clock, Quotas
from server.journal.reads import TaskName
from server.journal.retention import Collected, Retention
from server.journal.store import EventPage, JobStore, new_uid
from server.journal.tail import Entry, Heartbeat, Snapshot
from server.journal.writer import Commit

__all__ = [
    "Clock",
    "Collected",
    "Commit",
    "Entry",
    "EventPage",
    "Heartbeat",
    "JobStore",
    "Quotas",
    "Retention",
    "Snapshot",
    "TaskName",
    "new_uid",
]
