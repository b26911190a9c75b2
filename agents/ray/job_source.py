"""Read jobs with Ray Data. The tasks that do this import little, so that their processes start quickly."""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa
from ray.data import DataContext, Datasource, ReadTask
from ray.data.block import BlockMetadata

from storm_calm.agents.ray.jobs import Block, read_block

ID = "id"
"""The column with the id of a job, by which Ray Data skips finished ones."""


class JobSource(Datasource):
    """The file of jobs, in blocks."""

    def __init__(self, path: Path, blocks: Sequence[Block]) -> None:
        super().__init__()
        self._path, self._blocks = path, tuple(blocks)

    def estimate_inmemory_data_size(self) -> int:
        return sum(block.end - block.start for block in self._blocks)

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: DataContext | None = None
    ) -> list[ReadTask]:
        """Return a task for each block, whatever the parallelism."""
        return [
            ReadTask(
                partial(_read, self._path, block),
                BlockMetadata(
                    num_rows=block.count, size_bytes=block.end - block.start, input_files=None, exec_stats=None
                ),
            )
            for block in self._blocks
        ]


def _read(path: Path, block: Block) -> Iterator[pa.Table]:
    ids, jobs = zip(*read_block(path, block), strict=True)
    yield pa.table({ID: pa.array(ids, pa.string()), "job": pa.array(jobs, pa.string())})
