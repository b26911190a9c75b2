"""Jobs and rows of a run on Ray, without Ray: only committed rows count, and a fault gets a new attempt."""

import json

import pytest

from storm_calm.agents.curation.config import CurateConfig
from storm_calm.agents.ray.jobs import JobFile, attempt_id, key_of_attempt, next_attempts, read_block
from storm_calm.agents.ray.rows import RayFolder, Row, add_left_rows, compress_record, is_left, row_line


def folder_with(out, *rows, committed=True):
    """Write a row file into a run folder."""
    folder = RayFolder.of(out)
    folder.rows.mkdir(parents=True, exist_ok=True)
    folder.checkpoints.mkdir(exist_ok=True)
    name = f"file-{len(list(folder.rows.iterdir()))}"
    (folder.rows / f"{name}.jsonl").write_bytes(b"".join(map(row_line, rows)))
    (folder.checkpoints / f"{name}{'' if committed else '.pending'}.parquet").touch()
    return folder


def test_rows_of_an_interrupted_run_are_moved_if_their_file_is_committed(tmp_path):
    record = Row(id=attempt_id("a", 0), record=compress_record({"id": "a"}))
    fault = Row(id=attempt_id("b", 0), fault="the server failed")
    folder = folder_with(tmp_path, record, fault)
    folder_with(tmp_path, Row(id=attempt_id("c", 0), record=compress_record({"id": "c"})), committed=False)
    found = []
    add_left_rows(tmp_path, found.append, resumed=True)
    assert found == [{"id": "a"}]
    assert [file.name for file in folder.rows.iterdir()] == ["file-1.jsonl"]
    assert len(list(folder.checkpoints.iterdir())) == 2
    add_left_rows(tmp_path, found.append, resumed=False)
    assert found == [{"id": "a"}]
    assert not is_left(tmp_path)


def test_a_job_with_a_committed_fault_gets_a_new_id(tmp_path):
    committed = [attempt_id("a", 0), attempt_id("b", 0), attempt_id("b", 1)]
    assert next_attempts(committed) == {"a": 1, "b": 2}
    path = tmp_path / "jobs.jsonl"
    with path.open("wb") as file:
        written = JobFile(file, committed, count=2)
        written.add([("b", {"n": 1}), (("c", 0, 3), {"n": 2})])
    lines = [line for block in written.blocks for line in read_block(path, block)]
    assert [id for id, job in lines if not job] == sorted(committed)
    runs = {key_of_attempt(id): json.loads(job) for id, job in lines if job}
    assert runs == {("b", 2): {"n": 1}, (("c", 0, 3), 0): {"n": 2}}


@pytest.mark.parametrize(("count", "size"), [(300, 1), (5000, 5), (1_000_000, 32)])
def test_blocks_are_small_for_few_jobs_and_bounded_for_many(tmp_path, count, size):
    with (tmp_path / "jobs.jsonl").open("wb") as file:
        written = JobFile(file, [], count=count)
        written.add((str(number), {}) for number in range(64))
    assert max(block.count for block in written.blocks) == size
    assert sum(block.count for block in written.blocks) == 64


def test_ray_is_no_setting_of_a_run():
    assert "on" not in CurateConfig.__dataclass_fields__
