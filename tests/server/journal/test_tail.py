"""Following logs: from memory and from the file, with every kind of cursor."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from server.jobs import JobSpec, JobState
from server.journal import Entry, EventPage, Heartbeat, JobStore, Retention, Snapshot
from server.refusals import EventsCompacted, JobNotFound, LogEpochChanged
from tests.server.journal.harness import ERROR, P, SetClock, create, progress, run, start

KEEP_NO_EVENTS = Retention(jobs_s=1e6, events_s=0.0, cache_s=1e6, blobs_s=1e6)


async def follow(store: JobStore, uid: str, after: int) -> list[int]:
    """Follow to the end; a snapshot shows as the negative of its sequence."""
    seen = []
    async for item in store.follow(uid, after, project=P):
        if isinstance(item, Snapshot):
            seen.append(-item.job.last_sequence)
        elif isinstance(item, Entry):
            seen.append(item.event.sequence)
    return seen


def test_an_event_is_encoded_once_for_all_followers(tmp_path: Path) -> None:
    async def act(store: JobStore) -> None:
        job = await create(store)
        encoded: list[int] = []

        def encode(entry: Entry) -> bytes:
            encoded.append(entry.event.sequence)
            return b"wire %d" % entry.event.sequence

        async def watch() -> list[bytes]:
            following = store.follow(job.uid, job.last_sequence, project=P)
            return [item.wire(encode) async for item in following if isinstance(item, Entry)]

        watchers = [asyncio.create_task(watch()) for _ in range(20)]
        await asyncio.sleep(0)
        await start(store)
        for step in range(10):
            store.post(job.uid, progress(step / 10))
        await store.fail(job.uid, ERROR)
        first, *others = await asyncio.gather(*watchers)
        assert len(first) > 10
        assert all(other == first for other in others)
        assert len(encoded) == len(set(encoded)) == len(first)

    run(tmp_path, act)


def test_followers_in_step_read_no_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def act(store: JobStore) -> None:
        job = await create(store)
        await start(store)
        reads = []
        events = store._reads.events
        monkeypatch.setattr(store._reads, "events", lambda *a: reads.append(a) or events(*a))
        watchers = [
            asyncio.create_task(follow(store, job.uid, job.last_sequence)) for _ in range(10)
        ]
        for step in range(50):
            store.post(job.uid, progress(step / 50))
            await asyncio.sleep(0.001)
        await store.fail(job.uid, ERROR)
        await asyncio.gather(*watchers)
        # To begin with, and where a busy machine lets one fall behind; not for each of 50 events.
        assert len(reads) <= 10 * len(watchers)

    run(tmp_path, act)


def test_last_events_carry_the_job_as_it_ended(tmp_path: Path) -> None:
    async def act(store: JobStore) -> None:
        job = await create(store)
        live = asyncio.create_task(last(store.follow(job.uid, 1, project=P)))
        await asyncio.sleep(0)
        ended = await store.fail(job.uid, ERROR)
        for entry in (await live, await last(store.follow(job.uid, 1, project=P))):
            assert isinstance(entry, Entry)
            assert entry.job == ended

    run(tmp_path, act)


async def last(items: AsyncIterator[Snapshot | Entry | Heartbeat]) -> object:
    return [item async for item in items][-1]


def test_silence_brings_heartbeats_and_moves_no_cursor(tmp_path: Path) -> None:
    async def act(store: JobStore) -> None:
        job = await create(store)
        following = store.follow(job.uid, 1, project=P, heartbeat_s=0.001)
        assert isinstance(await anext(following), Heartbeat)
        assert isinstance(await anext(following), Heartbeat)
        await store.fail(job.uid, ERROR)
        entries = [item async for item in following if isinstance(item, Entry)]
        assert [entry.event.sequence for entry in entries] == [2]

    run(tmp_path, act)


def test_a_cursor_that_is_too_old_gives_a_snapshot_first(tmp_path: Path) -> None:
    clock = SetClock()

    async def act(store: JobStore) -> None:
        job = await create(store)
        await start(store)
        ended = await store.fail(job.uid, ERROR)
        end = ended.last_sequence
        assert await follow(store, job.uid, 1) == list(range(2, end + 1))
        clock.pass_s(10)
        collected = await store.collect(KEEP_NO_EVENTS)
        assert collected.log_count == 1
        assert await follow(store, job.uid, 0) == [-end, end]
        assert await follow(store, job.uid, 1) == [-end, end]
        assert await follow(store, job.uid, end - 1) == [end]
        assert await follow(store, job.uid, end) == [end]
        with pytest.raises(EventsCompacted) as refused:
            await store.list_events(job.uid, 1, project=P, limit=10)
        assert refused.value.metadata["oldest_sequence"] == str(end)
        page = await store.list_events(job.uid, end - 1, project=P, limit=10)
        assert (sequences(page), page.is_complete) == ([end], True)

    run(tmp_path, act, clock)


def sequences(page: EventPage) -> list[int]:
    return [entry.event.sequence for entry in page.entries]


def test_a_slow_follower_of_a_log_that_is_compacted_or_deleted_is_told(tmp_path: Path) -> None:
    clock = SetClock()

    async def act(store: JobStore) -> None:
        for is_deleted in (False, True):
            job = await create(store)
            await start(store)
            for step in range(100):  # more than a tail holds
                store.post(job.uid, progress(step / 100))
            slow = store.follow(job.uid, 1, project=P)
            assert isinstance(await anext(slow), Entry)
            ended = await store.fail(job.uid, ERROR)
            clock.pass_s(10)
            if is_deleted:
                await store.delete(job.uid, project=P)
                with pytest.raises(JobNotFound):
                    await last(slow)
            else:
                await store.collect(KEEP_NO_EVENTS)
                rest = [item async for item in slow]
                *before, snapshot, final = rest
                assert isinstance(snapshot, Snapshot)
                assert snapshot.job == replace(ended, first_sequence=ended.last_sequence)
                assert all(isinstance(item, Entry) for item in before)
                assert isinstance(final, Entry)
                assert final.event.is_last

    run(tmp_path, act, clock)


def test_a_cursor_of_another_log_is_refused(tmp_path: Path) -> None:
    async def act(store: JobStore) -> None:
        job = await create(store)
        for after, log_epoch in ((2, ""), (2, store.log_epoch), (1, "another"), (-1, "")):
            with pytest.raises(LogEpochChanged):
                await anext(store.follow(job.uid, after, project=P, log_epoch=log_epoch))
            with pytest.raises(LogEpochChanged):
                await store.list_events(job.uid, after, project=P, log_epoch=log_epoch, limit=1)

    run(tmp_path, act)


def test_pages_of_events_are_waited_for(tmp_path: Path) -> None:
    async def act(store: JobStore) -> None:
        job = await create(store)
        assert sequences(await store.list_events(job.uid, 0, project=P, limit=10)) == [1]
        page = await store.list_events(job.uid, 1, project=P, limit=10)
        assert (sequences(page), page.is_complete) == ([], False)
        assert not (await store.list_events(job.uid, 1, project=P, limit=9, wait_s=0.001)).entries
        waiting = asyncio.create_task(store.list_events(job.uid, 1, project=P, limit=10, wait_s=30))
        await asyncio.sleep(0)
        await store.cancel(job.uid, project=P)
        page = await waiting
        assert (sequences(page), page.is_complete) == ([2], True)
        # A job that has ended is not waited for.
        page = await store.list_events(job.uid, 2, project=P, limit=10, wait_s=30)
        assert (sequences(page), page.is_complete) == ([], True)
        # Nor is a server that stops.
        other = await create(store)
        waiting = asyncio.create_task(
            store.list_events(other.uid, 1, project=P, limit=10, wait_s=30)
        )
        await asyncio.sleep(0)
        store.end_watches()
        assert not (await waiting).entries

    run(tmp_path, act)


def test_what_other_projects_have_does_not_exist(tmp_path: Path) -> None:
    async def act(store: JobStore) -> None:
        job = await create(store)
        ended = await create(store, JobSpec(asset_name="A", prompt="a"))
        await store.cancel(ended.uid, project=P)
        with pytest.raises(JobNotFound):
            store.job(job.uid, project="other")
        with pytest.raises(JobNotFound):
            await anext(store.follow(job.uid, 0, project="other"))
        with pytest.raises(JobNotFound):
            await store.list_events(job.uid, 0, project="other", limit=1)
        with pytest.raises(JobNotFound):
            await store.cancel(job.uid, project="other")
        with pytest.raises(JobNotFound):
            await store.delete(ended.uid, project="other")
        with pytest.raises(JobNotFound):
            await store.retry(ended.uid, project="other", request_id="", from_stage=None)
        with pytest.raises(JobNotFound):
            await store.create(
                project="other",
                request_id="",
                spec=JobSpec(asset_name="A", prompt="a", surfaces_of=job.uid),
            )
        assert store.jobs(project="other", limit=9) == []
        assert store.job(job.uid, project=P).state is JobState.QUEUED

    run(tmp_path, act)
