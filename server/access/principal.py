"""Who calls, for which project, and what that allows."""

from dataclasses import dataclass
from enum import StrEnum


class Scope(StrEnum):
    """What a principal may do."""

    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    BLOBS_READ = "blobs:read"
    BLOBS_WRITE = "blobs:write"
    ADMIN = "admin"


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who calls. project: whose jobs and blobs exist for it."""

    name: str
    project: str
    scopes: frozenset[Scope]


LOCAL = Principal(name="local", project="local", scopes=frozenset(Scope))
"""Everybody, on a server without tokens."""
