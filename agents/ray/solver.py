"""The actor on a node: it solves jobs with a sandbox and a reasoner of its own, and returns a row for each.

A fault of the sandbox, the reasoner or the intervener is a row, too: an exception would end the whole run.
"""

import json
import logging
import os
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from storm_calm.agents.ray.cluster import check_shared
from storm_calm.agents.ray.kinds import REPLIES, JobRunner, kind_of
from storm_calm.agents.ray.rows import RayFolder, Row, compress_record
from storm_calm.env import ReasonerError
from storm_calm.sandbox import SandboxUnavailableError

ROW = pa.schema(
    [
        ("id", pa.string()),
        ("fault", pa.string()),
        ("record", pa.binary()),
        ("input_tokens", pa.int64()),
        ("output_tokens", pa.int64()),
        ("replies", pa.binary()),
    ]
)
MOST_PAUSE_SECONDS = 30.0
"""The longest pause after faults."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class SolverSetup:
    """What all actors of a run get."""

    config: Any
    """The config of the run."""
    folder: RayFolder
    token: str
    """The content of the folder's token."""
    directory: Path
    """The working directory of the command, for relative paths in the config."""


class Solver:
    """Solves blocks of jobs, several at the same time in threads of the actor."""

    def __init__(self, setup: SolverSetup) -> None:
        """Raises RayRunError if this node does not have the folder of the run."""
        check_shared(setup.folder, setup.token)
        with suppress(OSError):
            os.chdir(setup.directory)
        self._setup = setup
        self._lock = threading.Lock()
        self._runner: JobRunner | None = None
        self._ends = ExitStack()
        self._own = Path(self._ends.enter_context(tempfile.TemporaryDirectory(prefix="storm-ray-")))
        self._faults = 0  # In a row.
        self._reported = (0, 0)
        self._replies_read: int | None = None

    def __call__(self, block: pa.Table) -> pa.Table:
        """Return the rows of a block of jobs."""
        return pa.Table.from_pylist([asdict(self._row(job["id"], job["job"])) for job in block.to_pylist()], schema=ROW)

    def _row(self, id: str, job: str) -> Row:
        if not job:
            return self._with_usage(id=id, fault="this job is finished already")
        try:
            record = compress_record(self._open().solve(json.loads(job)))
        except (ReasonerError, SandboxUnavailableError, ValueError, OSError) as error:
            return self._fault(id, str(error))
        except Exception as error:
            _log.exception("a job failed unexpectedly")
            return self._fault(id, f"unexpected {type(error).__name__}: {error}")
        self._faults = 0
        return self._with_usage(id=id, record=record)

    def _fault(self, id: str, reason: str) -> Row:
        self._faults += 1
        # A node whose jobs all fail at once would otherwise take those of all other nodes.
        time.sleep(min(MOST_PAUSE_SECONDS, 2.0 ** (self._faults - 2)) if self._faults > 1 else 0)
        return self._with_usage(id=id, fault=reason or "failed without a reason")

    def _open(self) -> JobRunner:
        """Return the runner. After a failure, the next job tries again to open it."""
        with self._lock:
            if self._runner is None:
                setup = self._setup
                opened = kind_of(setup.config).open(setup.config, setup.folder.path.parent, self._own)
                self._runner = self._ends.enter_context(opened)
                replies = self._own / REPLIES
                self._replies_read = replies.stat().st_size if replies.exists() else 0
            return self._runner

    def _with_usage(self, **fields: Any) -> Row:
        """Return a row with the usage since the previous one."""
        with self._lock:
            if self._runner is None:
                return Row(**fields)
            usage = self._runner.reasoner.usage
            before, self._reported = self._reported, (usage.input_tokens, usage.output_tokens)
            return Row(
                **fields,
                input_tokens=usage.input_tokens - before[0],
                output_tokens=usage.output_tokens - before[1],
                replies=self._new_replies(),
            )

    def _new_replies(self) -> bytes:
        file = self._own / REPLIES
        if not file.exists():
            return b""
        with file.open("rb") as stream:
            stream.seek(self._replies_read or 0)
            lines = stream.read()
        # The last line may be incomplete.
        lines = lines[: lines.rfind(b"\n") + 1]
        self._replies_read = (self._replies_read or 0) + len(lines)
        return zlib.compress(lines) if lines else b""

    def __del__(self) -> None:
        ends: Callable[[], None] | None = getattr(getattr(self, "_ends", None), "close", None)
        if ends is not None:
            ends()
