"""The report as a file that holds everything, opens from disk and needs no server."""

from __future__ import annotations

import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from storm_calm.env.atomic_write import atomic_write
from storm_calm.serving.report.read_records import read_lines
from storm_calm.serving.report.report_page import as_json, facts, is_ours, packed, page
from storm_calm.serving.report.run_files import RunFiles

BLOCK_RUNS = 50
"""Runs in a block: enough to share what their texts have in common, few enough to unpack in a moment."""
BLOCK_CHARACTERS = 1_000_000
"""Characters of JSON after which a block is full, whatever number of runs is in it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenReport:
    """A report that was written."""

    path: Path
    """Where it is."""
    size: int
    """Its bytes."""
    entries: int
    """Runs at problems in it."""
    finished: bool
    """Whether the run was over when it was read."""


def write_report(run: RunFiles, out: Path) -> WrittenReport:
    """Write the report of a run to `out`, all or nothing, in place of an earlier report.

    One block of runs is held at a time, and a row for each run. Raises ValueError for a line that is no record, for a
    run in which nothing is done yet, and where `out` is a file that is no report.
    """
    if out.is_dir():
        raise ValueError(f"{out}: is a folder; give the --out of a file, such as {out / 'report.html'}")
    if out.exists() and not is_ours(out):
        raise ValueError(f"{out}: is there already and no report of storm view; choose another --out")
    if not out.parent.is_dir():
        raise ValueError(f"{out.parent}: no such folder; choose another --out")
    run_facts = facts(run)
    with tempfile.TemporaryFile("w+", encoding="ascii") as blocks:
        rows = _write_blocks(run, blocks)
        if not rows:
            raise ValueError(
                f"{run.path}: nothing is done in it yet; wait for the first runs, or watch it with --serve"
            )
        blocks.seek(0)
        with atomic_write(out) as draft, draft.open("w", encoding="utf-8") as file:
            pieces = (line.rstrip("\n") for line in blocks)
            file.writelines(page(run, packed(as_json({"facts": run_facts, "rows": rows})), pieces, live=False))
    return WrittenReport(path=out, size=out.stat().st_size, entries=len(rows), finished=run_facts["finished"])


def _write_blocks(run: RunFiles, blocks: TextIO) -> list[list[Any]]:
    """Write a line for each block; the rows, each with its block and its place in it. Of a key the last one counts."""
    rows: dict[str, list[Any]] = {}
    block: list[str] = []
    number = 0

    def write() -> None:
        blocks.write(packed(f"[{','.join(block)}]") + "\n")
        block.clear()

    with _opened(run) as file:
        for _, entry in read_lines(run, file):
            rows[entry.key] = [*entry.values, number, len(block)]
            block.append(as_json(entry.details))
            if len(block) == BLOCK_RUNS or sum(map(len, block)) >= BLOCK_CHARACTERS:
                write()
                number += 1
    if block:
        write()
    return list(rows.values())


def _opened(run: RunFiles) -> BinaryIO:
    return run.records.open("rb") if run.records.exists() else io.BytesIO()
