"""The Ray Data plan of a run: read jobs -> solve them in actors -> write row files.

Nothing else may be in it. Ray Data keeps checkpoints only for such plans, and otherwise warns and runs without; here
that is an error. A job counts as done once the file with its row is committed (`CheckpointConfig`), and is then skipped
on resume.
"""

import logging
import threading
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import ray.data
from ray.data import ActorPoolStrategy, DataContext
from ray.data.checkpoint import CheckpointConfig

from storm_calm.agents.ray.cluster import ActorSize
from storm_calm.agents.ray.job_source import ID, JobSource
from storm_calm.agents.ray.jobs import Block
from storm_calm.agents.ray.row_sink import RowSink, StopRequest
from storm_calm.agents.ray.rows import RayFolder
from storm_calm.agents.ray.solver import Solver, SolverSetup
from storm_calm.env.atomic_write import atomic_write

READERS, WRITERS = 1, 4
"""The most tasks that read jobs, and that write rows, at the same time."""
MOST_BAD_STARTS = 5
"""Actors in a row that may fail to start, such as on a node that joined without the run folder."""
FILTER_MEMORY = 256 << 20
"""Memory that the actor which skips finished jobs reserves; Ray's default would not fit on small nodes."""


class RunningPlan:
    """A plan that runs in a thread."""

    def __init__(self, folder: RayFolder, setup: SolverSetup, blocks: Sequence[Block], size: ActorSize) -> None:
        """Start it. size: of the actors."""
        self._arguments = folder, setup, blocks, size
        self.error: BaseException | None = None
        """Why the plan failed, once it has ended."""
        StopRequest.requested.clear()
        self._thread = threading.Thread(target=self._run, name="ray-plan", daemon=True)
        self._thread.start()

    def alive(self) -> bool:
        return self._thread.is_alive()

    def join(self, seconds: float) -> None:
        """Wait for the end."""
        self._thread.join(seconds)

    def stop(self) -> None:
        """Stop the plan; its tasks in flight are cancelled."""
        StopRequest.requested.set()

    def _run(self) -> None:
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore")
                warnings.filterwarnings("error", message=".*[Cc]heckpointing will be disabled")
                _execute(*self._arguments)
        except BaseException as error:
            self.error = error


def _execute(folder: RayFolder, setup: SolverSetup, blocks: Sequence[Block], size: ActorSize) -> None:
    # What stops the plan is reported by the driver.
    for name in ("ray.data", "ray.data.exceptions"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    context = DataContext.get_current().copy()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    context.custom_execution_callback_classes = [StopRequest]
    context.checkpoint_config = _checkpoints(folder)
    context.max_consecutive_actor_init_deaths = MOST_BAD_STARTS
    with DataContext.current(context):
        rows = ray.data.read_datasource(
            JobSource(folder.jobs, blocks), num_cpus=0, concurrency=READERS, override_num_blocks=len(blocks)
        ).map_batches(
            Solver,
            fn_constructor_args=(setup,),
            batch_size=None,
            batch_format="pyarrow",
            num_cpus=size.processors,
            compute=ActorPoolStrategy(
                min_size=1,
                # One place is left for the actor that skips finished jobs; the pool grows later.
                initial_size=max(1, size.actors - 1),
                max_concurrent_calls_per_actor=size.in_flight,
                enable_true_multi_threading=True,
            ),
        )
        rows.write_datasink(
            RowSink(str(folder.rows), file_format="jsonl"), ray_remote_args={"num_cpus": 0}, concurrency=WRITERS
        )


def _checkpoints(folder: RayFolder) -> CheckpointConfig:
    # They are deleted only after all rows are in the run folder.
    config = CheckpointConfig(ID, str(folder.checkpoints), delete_checkpoint_on_success=False)
    config.checkpoint_actor_pool_max_size = 1
    config.checkpoint_actor_memory_bytes = FILTER_MEMORY
    return config


def committed_ids(folder: RayFolder) -> frozenset[str]:
    """Return the ids that the checkpoints have, and make one file of them, which Ray Data loads faster.

    All committed row files must have been moved into the run folder before.
    """
    files = [file for file in folder.checkpoints.glob("*.parquet") if not file.name.endswith(".pending.parquet")]
    ids = frozenset(id for file in files for id in pq.read_table(file, columns=[ID])[ID].to_pylist())
    if len(files) > 1:
        _write_ids(folder.checkpoints / f"all-{len(ids)}.parquet", ids)
        for file in files:
            if file.name != f"all-{len(ids)}.parquet":
                file.unlink()
    return ids


def _write_ids(path: Path, ids: Iterable[str]) -> None:
    with atomic_write(path) as draft:
        pq.write_table(pa.table({ID: pa.array(sorted(ids), pa.string())}), draft)
