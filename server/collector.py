"""Deletes what is kept no longer: rows of the journal first, then bytes that no row names.

A crash in between leaves bytes without a row, which the next round finds.
"""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from server import failpoints
from server.artifacts import ArtifactStore
from server.journal import JobStore, Retention

logger = logging.getLogger(__name__)

_BLOBS_PER_LOOK = 200  # a few milliseconds of the event loop


@dataclass(frozen=True, kw_only=True)
class Swept:
    """What one round has deleted."""

    job_count: int = 0
    log_count: int = 0
    cache_count: int = 0
    blob_count: int = 0
    upload_count: int = 0


class Collector:
    """Runs rounds, one after another. On the event loop; whatever waits for the disk does not."""

    def __init__(
        self,
        store: JobStore,
        artifacts: ArtifactStore,
        keep: Retention,
        *,
        interval_s: float,
        grace_s: float = 3600.0,
    ) -> None:
        """Nothing runs before `start`.

        Args:
            store: The journal.
            artifacts: Whose bytes are deleted.
            keep: How long things are kept.
            interval_s: Time between two rounds.
            grace_s: Bytes younger than this stay, row or not: a worker stores its results before
                it reports them. At least as long as a task may take.
        """
        self._store = store
        self._artifacts = artifacts
        self._keep = keep
        self._interval_s = interval_s
        self._grace_s = grace_s
        self._rounds: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first round is due after one interval."""
        self._rounds = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End between two steps of a round."""
        if self._rounds is not None:
            self._rounds.cancel()
            with suppress(asyncio.CancelledError):
                await self._rounds

    async def collect(self) -> Swept:
        """Do one round."""
        job_count = log_count = cache_count = 0
        while True:
            collected = await self._store.collect(self._keep)
            job_count += collected.job_count
            log_count += collected.log_count
            cache_count += collected.cache_count
            if collected.is_all:
                break
        failpoints.hit("collect.rows")
        swept = Swept(
            job_count=job_count,
            log_count=log_count,
            cache_count=cache_count,
            blob_count=await self._discard_blobs(),
            upload_count=await asyncio.to_thread(
                self._artifacts.discard_uploads, self._keep.blobs_s
            ),
        )
        if swept != Swept():
            logger.info("collected: %s", swept)
        return swept

    async def _discard_blobs(self) -> int:
        """Delete the bytes that no row names."""
        count = 0
        stored = await asyncio.to_thread(lambda: list(self._artifacts.blobs()))
        for first in range(0, len(stored), _BLOBS_PER_LOOK):
            some = stored[first : first + _BLOBS_PER_LOOK]
            unnamed = [sha256 for sha256 in some if not self._store.is_known_blob(sha256)]
            count += await asyncio.to_thread(self._discard, unnamed)
        return count

    def _discard(self, unnamed: Iterable[str]) -> int:
        return sum(self._artifacts.discard(sha256, self._grace_s) for sha256 in unnamed)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._interval_s)
            try:
                await self.collect()
            except Exception:  # a full disk, most likely: the next round is another try
                logger.exception("nothing could be collected")
