"""Write the report as one HTML file, which needs no server."""

import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from storm_calm.env.atomic_write import atomic_write
from storm_calm.serving.report.read_records import read_lines
from storm_calm.serving.report.report_page import as_json, facts, is_ours, packed, page
from storm_calm.serving.report.run_files import RunFiles

BLOCK_RUNS = 50
"""Trajectories per block: enough for good compression, few enough to unpack quickly."""
BLOCK_CHARACTERS = 1_000_000
"""Characters of JSON after which a block is full."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenReport:
    """A report that was written."""

    path: Path
    size: int
    """Bytes."""
    entries: int
    """Trajectories."""
    finished: bool
    """Whether the run was finished when it was read."""


def write_report(run: RunFiles, out: Path) -> WrittenReport:
    """Write the report of a run to `out` atomically, replacing an earlier report.

    Memory holds one block and all index rows. Raises ValueError for an invalid record, for a run without records, and
    if `out` is another file.
    """
    if out.is_dir():
        raise ValueError(f"{out}: is a folder; give a file as --out, such as {out / 'report.html'}")
    if out.exists() and not is_ours(out):
        raise ValueError(f"{out}: exists and is not a report of storm view; choose another --out")
    if not out.parent.is_dir():
        raise ValueError(f"{out.parent}: no such folder; choose another --out")
    run_facts = facts(run)
    with tempfile.TemporaryFile("w+", encoding="ascii") as blocks:
        rows = _write_blocks(run, blocks)
        if not rows:
            raise ValueError(f"{run.path}: has no records yet; wait for the first, or use --serve")
        blocks.seek(0)
        with atomic_write(out) as draft, draft.open("w", encoding="utf-8") as file:
            pieces = (line.rstrip("\n") for line in blocks)
            file.writelines(page(run, packed(as_json({"facts": run_facts, "rows": rows})), pieces, live=False))
    return WrittenReport(path=out, size=out.stat().st_size, entries=len(rows), finished=run_facts["finished"])


def _write_blocks(run: RunFiles, blocks: TextIO) -> list[list[Any]]:
    """Write one line per block; return the rows with block number and index. The last record of a key counts."""
    rows: dict[str, list[Any]] = {}
    block: list[str] = []
    number = 0

    def write() -> None:
        blocks.write(packed(f"[{','.join(block)}]") + "\n")
        block.clear()

    with run.records.open("rb") if run.records.exists() else io.BytesIO() as file:
        for _, entry in read_lines(run, file):
            rows[entry.key] = [*entry.values, number, len(block)]
            block.append(as_json(entry.details))
            if len(block) == BLOCK_RUNS or sum(map(len, block)) >= BLOCK_CHARACTERS:
                write()
                number += 1
    if block:
        write()
    return list(rows.values())
