"""Disk space put aside, so that ends of jobs can be written down when there is none left."""

import logging
import os
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)


class Reserve:
    """A file of nothing that is deleted in need."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        self._size_bytes = size_bytes

    @property
    def is_there(self) -> bool:
        """Whether the space is still put aside."""
        return self._path.exists()

    def fill(self) -> None:
        """Put the space aside, if there is room for it."""
        if self.is_there:
            return
        unfinished = self._path.with_suffix(".part")
        try:
            file = os.open(unfinished, os.O_WRONLY | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(file, 0, self._size_bytes)
            finally:
                os.close(file)
            unfinished.rename(self._path)
        except OSError as error:
            with suppress(FileNotFoundError):
                unfinished.unlink()
            logger.warning("no room for a reserve of %d bytes: %s", self._size_bytes, error)

    def free(self) -> bool:
        """Give the space back to the disk. False when it was given back before."""
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        logger.warning("the disk is full: the journal's reserve is used up")
        return True
