"""The store of files: limits also for files that arrive at the same time, and nothing left on disk."""

import asyncio

import pytest

from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.auth import Caller
from storm_calm.serving.api.rate_limit import Limits
from storm_calm.serving.api.stored import open_stored
from storm_calm.serving.api.stored_files import DiskFiles, StoreLimits

LIMITS = StoreLimits(prefix="file-", count=5, total_bytes=1000, seconds=60, evict=False)


def test_uploads_at_the_same_time_cannot_exceed_the_limits_together(tmp_path):
    async def upload():
        store, ana = DiskFiles(LIMITS, tmp_path), Caller("ana")
        results = await asyncio.gather(*(store.add(ana, "a", b"1" * 90) for _ in range(20)), return_exceptions=True)
        return results, await store.list(ana)

    results, kept = asyncio.run(upload())
    assert sum(isinstance(one, ApiError) for one in results) == 15
    assert len(kept) == len(list(tmp_path.iterdir())) == 5


def test_a_file_that_is_deleted_while_it_is_written_leaves_nothing(tmp_path):
    async def upload():
        store, ana = DiskFiles(LIMITS, tmp_path), Caller("ana")
        adding = asyncio.create_task(store.add(ana, "a", b"1"))
        await asyncio.sleep(0)
        (file,) = await store.list(ana)
        await store.delete(ana, file.id)
        await adding
        await store.settled()

    asyncio.run(upload())
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_counts_for_nothing(tmp_path):
    async def upload():
        store, ana = DiskFiles(LIMITS, tmp_path / "missing"), Caller("ana")
        with pytest.raises(FileNotFoundError):
            await store.add(ana, "a", b"1")
        return await store.list(ana)

    assert asyncio.run(upload()) == []


def test_what_is_too_old_is_deleted_without_a_request(monkeypatch):
    monkeypatch.setattr("storm_calm.serving.api.stored.SWEEP_SECONDS", 0.01)

    async def wait():
        async with open_stored(Limits(running=9, key_running=9, key_per_minute=9)) as stored:
            ana = Caller("ana")
            file = await stored.uploads.add(ana, "a", b"1")
            folder = stored.uploads._folder
            stored.uploads.clock = lambda: file.expires
            async with asyncio.timeout(10):
                while list(folder.iterdir()):
                    await asyncio.sleep(0.01)
        return folder

    assert not asyncio.run(wait()).exists()
