"""Who calls, for which project, and what they may do."""

import re
from dataclasses import dataclass
from enum import StrEnum

from server.refusals import ScopeMissing

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")


class Scope(StrEnum):
    """What a call needs. None implies another."""

    JOBS_READ = "jobs:read"
    JOBS_WRITE = "jobs:write"
    BLOBS_READ = "blobs:read"
    BLOBS_WRITE = "blobs:write"
    ADMIN = "admin"


ALL_BUT_ADMIN = frozenset(Scope) - {Scope.ADMIN}
"""What whoever makes assets needs."""


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who calls.

    name: for people and the audit log; no key to anything.
    project: owns the caller's jobs and blobs; what other projects have does not exist for them.
    """

    name: str
    project: str
    scopes: frozenset[Scope]

    def check(self, scope: Scope) -> None:
        """Raise `ScopeMissing` unless the principal has `scope`."""
        if scope not in self.scopes:
            raise ScopeMissing(
                f"this call needs the scope {scope}, which {self.name} does not have; "
                f"`lodsmith token add --scope {scope}` makes a token that has it",
                metadata={"scope": scope},
            )


LOCAL = Principal(name="local", project="local", scopes=frozenset(Scope))
"""Everyone, where the server asks for no token."""


def is_name(text: str) -> bool:
    """Whether a principal or a project may be called so: 1 to 64 of letters, digits, `._@-`."""
    return _NAME.fullmatch(text) is not None
