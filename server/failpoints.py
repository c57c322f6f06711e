"""Named places where a test can make the process die, as if the power went.

`LODSMITH_FAILPOINT=commit.before:3` kills the process at the third time that it gets to
`hit("commit.before")`. Without the variable `hit` costs a comparison.
"""

import os
import signal

ENVIRONMENT = "LODSMITH_FAILPOINT"

NAMES = frozenset(
    {
        "commit.before",  # changes are applied, nothing is durable
        "commit.after",  # durable, nobody has heard of it
        "create.answer",  # the new job is durable, its client has no answer
        "publish.before",  # a blob is synced under a temporary name
        "publish.after",  # it has its name, nobody refers to it
        "report.send",  # a worker has stored its results and not said so
        "report.sent",
        "report.taken",  # the server has the report and has not written it down
        "collect.rows",  # rows are forgotten, their bytes are still there
    }
)


def _armed(text: str) -> tuple[str, int]:
    name, _, count = text.partition(":")
    assert not name or name in NAMES, f"{ENVIRONMENT}: no failpoint {name!r}"
    return name, int(count or 1)


_name, _hits_left = _armed(os.environ.get(ENVIRONMENT, ""))


def hit(name: str) -> None:
    """Die by SIGKILL if this is the armed failpoint and its count has come down to nothing."""
    global _hits_left
    if name != _name:
        return
    _hits_left -= 1
    if _hits_left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
