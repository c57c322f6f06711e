"""Runs a module as a process that ends with its parent, and takes its own children along.

    python -m server.leash <pid of the parent> <module> <arguments>

Beside `engine`, not in it: this must be at work before the process imports anything that takes
time, and a module's package comes first.
"""

import ctypes
import os
import runpy
import signal
import subprocess
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(parent: int) -> None:
    """Have this process killed when its parent ends, even deep in native code (Linux).

    The kernel does so when the *thread* ends that started it: for workers that of the server's
    event loop, which lasts as long as the server.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before that
        sys.exit(f"process {parent}, which started this one, has ended")


def take_children_along() -> "subprocess.Popen[bytes]":
    """Leave no process of this one's group behind, however it ends.

    A kernel that kills a process leaves its children alone. So a shell in the same group waits for
    the end of a pipe that only this process holds open, and then kills the group.

    Returns:
        The shell; only to be kept.
    """
    theirs, _ours = os.pipe()  # open as long as this process lives; no child inherits it
    shell = subprocess.Popen(["/bin/sh", "-c", "read nothing; kill -s KILL 0"], stdin=theirs)
    os.close(theirs)
    return shell


if __name__ == "__main__":
    parent, module = sys.argv[1:3]
    die_with_parent(int(parent))
    guard = take_children_along()
    del sys.argv[1:3]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
