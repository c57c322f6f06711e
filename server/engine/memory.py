"""What the kernel says about memory. Linux only: elsewhere the answer is 0."""

from pathlib import Path


def own_bytes(pid: int) -> int:
    """Return the resident memory that a process does not share with files; 0 when it is gone.

    Mapped files do not count: weights that are read page by page are no growth.
    """
    kibibytes = _field(Path(f"/proc/{pid}/status"), "RssAnon:")
    return kibibytes << 10


def killed_count() -> int:
    """Return how many processes of this machine the kernel has killed to get memory back."""
    return _field(Path("/proc/vmstat"), "oom_kill")


def _field(path: Path, name: str) -> int:
    try:
        with path.open() as lines:
            for line in lines:
                words = line.split()
                if words and words[0] == name:
                    return int(words[1])
    except OSError:
        pass
    return 0
