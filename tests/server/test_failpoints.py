"""Failpoints: dead without their variable, deadly with it, and never misspelt."""

import os
import signal
import subprocess
import sys

from server.failpoints import ENVIRONMENT

HITS = """
from server import failpoints
for _ in range(3):
    failpoints.hit("commit.before")
    failpoints.hit("commit.after")
    print("alive", flush=True)
"""


def hits(armed: str) -> tuple[int, int]:
    """Run into two failpoints three times; return the exit code and how often it lived on."""
    ended = subprocess.run(
        [sys.executable, "-c", HITS],
        env=os.environ | {ENVIRONMENT: armed, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    return ended.returncode, ended.stdout.count("alive")


def test_the_armed_point_kills_at_its_count_and_no_other() -> None:
    assert hits("") == (0, 3)
    assert hits("commit.after") == (-signal.SIGKILL, 0)
    assert hits("commit.before:3") == (-signal.SIGKILL, 2)
    assert hits("commit.before:4") == (0, 3)
    assert hits("publish.after") == (0, 3)


def test_a_name_that_is_none_does_not_start() -> None:
    code, lived = hits("comit.before")
    assert (code != 0, lived) == (True, 0)
