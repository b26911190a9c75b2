"""Write row files with Ray Data, and stop a plan. The tasks that do this import little, as in `job_source`."""

import threading
from typing import Any

from ray.data._internal.execution.execution_callback import ExecutionCallback
from ray.data.block import BlockAccessor
from ray.data.datasource import BlockBasedFileDatasink

from storm_calm.agents.ray.rows import Row, row_line


class RowSink(BlockBasedFileDatasink):
    """The folder of row files."""

    def write_block_to_file(self, block: BlockAccessor, file: Any) -> None:
        for row in block.iter_rows(public_row_format=False):
            file.write(row_line(Row(**row)))


class StopRequest(ExecutionCallback):
    """Stops the plan that runs in this process, at its next step."""

    # Ray Data makes the instance, so the request is an attribute of the class. One plan runs at a time.
    requested = threading.Event()

    def on_execution_step(self, executor: Any) -> None:
        if self.requested.is_set():
            raise RuntimeError("the plan was stopped")
