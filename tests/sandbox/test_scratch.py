"""A snapshot of a folder restores any content, and unchanged files are not touched."""

import os
import time

import pytest

from storm_calm.sandbox.zygote import scratch_snapshot


@pytest.fixture
def top(tmp_path):
    fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
    yield fd
    os.close(fd)


def age(path):
    """Wait until a later change of the file is certain to change its times."""
    while time.time_ns() < path.stat().st_ctime_ns + 60_000_000:
        time.sleep(0.01)


def test_a_change_with_the_same_length_and_time_is_detected(tmp_path, top):
    path = tmp_path / "f"
    path.write_bytes(b"old")
    times = path.stat()
    copy = scratch_snapshot.take_snapshot(top, None, 1000)
    path.write_bytes(b"new")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    scratch_snapshot.restore(top, copy)
    assert path.read_bytes() == b"old"
    assert path.stat().st_mtime_ns == times.st_mtime_ns


def test_unchanged_files_are_neither_read_nor_written_again(tmp_path, top):
    path = tmp_path / "f"
    path.write_bytes(b"old")
    age(path)
    first = scratch_snapshot.take_snapshot(top, None, 1000)
    second = scratch_snapshot.take_snapshot(top, first, 1000)
    assert second.entries["f"].content is first.entries["f"].content
    assert scratch_snapshot.held_bytes([first, second]) == 3
    before = path.stat()
    scratch_snapshot.restore(top, second)
    assert path.stat().st_ctime_ns == before.st_ctime_ns


def test_restoring_keeps_open_files_valid(tmp_path, top):
    path = tmp_path / "f"
    path.write_bytes(b"old")
    with open(path, "rb") as file:
        copy = scratch_snapshot.take_snapshot(top, None, 1000)
        path.write_bytes(b"newer")
        scratch_snapshot.restore(top, copy)
        assert file.read() == b"old"


def test_links_are_not_followed(tmp_path, top):
    outside = tmp_path.parent / f"{tmp_path.name}-outside"
    outside.mkdir()
    (outside / "f").write_text("safe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "f").write_text("old")
    (tmp_path / "g").write_text("old")
    copy = scratch_snapshot.take_snapshot(top, None, 1000)
    (tmp_path / "folder" / "f").unlink()
    (tmp_path / "folder").rmdir()
    (tmp_path / "folder").symlink_to(outside)
    (tmp_path / "g").unlink()
    (tmp_path / "g").symlink_to(outside / "f")
    (tmp_path / "new").symlink_to(outside)
    assert "folder/f" not in scratch_snapshot.take_snapshot(top, copy, 1000).entries
    scratch_snapshot.restore(top, copy)
    assert (outside / "f").read_text() == "safe"
    assert (tmp_path / "folder" / "f").read_text() == (tmp_path / "g").read_text() == "old"
    assert not (tmp_path / "new").is_symlink()


@pytest.mark.parametrize(
    "fill",
    [
        lambda folder: (folder / "f").write_bytes(bytes(1001)),
        lambda folder: (folder / ("d/" * 40)).mkdir(parents=True),
        lambda folder: [(folder / str(number)).touch() for number in range(5000)],
    ],
    ids=["large", "deep", "many"],
)
def test_a_folder_over_the_limits_is_an_error_and_can_be_restored(tmp_path, top, fill):
    empty = scratch_snapshot.take_snapshot(top, None, 1000)
    fill(tmp_path)
    with pytest.raises(scratch_snapshot.TooMuchError):
        scratch_snapshot.take_snapshot(top, empty, 1000)
    scratch_snapshot.restore(top, empty)
    assert list(tmp_path.iterdir()) == []
