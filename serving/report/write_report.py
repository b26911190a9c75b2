"""Write the report as one HTML file, which needs no server."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from storm_calm.env.atomic_write import atomic_write
from storm_calm.serving.report.large_run import LargeRun
from storm_calm.serving.report.read_records import read_lines
from storm_calm.serving.report.report_entries import FIELDS, Entry
from storm_calm.serving.report.report_page import as_json, facts, is_ours, packed, page
from storm_calm.serving.report.run_files import RunFiles
from storm_calm.serving.report.token_ids import Packed, Vocabulary
from storm_calm.serving.report.training_run import learning_curve

BLOCK_RUNS = 50
"""Trajectories per block: enough for good compression, few enough to unpack quickly."""
OF_EACH_OUTCOME = 200
"""Records of each outcome on the page of a large run."""
BLOCK_CHARACTERS = 1_000_000
"""Characters of JSON after which a block is full."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenReport:
    """A report that was written."""

    path: Path
    size: int
    """Bytes."""
    entries: int
    """Trajectories on the page."""
    total: int
    """Trajectories of the run."""
    finished: bool
    """Whether the run was finished when it was read."""


def write_report(run: RunFiles, out: Path, *, other: RunFiles | None = None) -> WrittenReport:
    """Write the report of a run to `out` atomically, replacing an earlier report.

    other: a run on the same problems that the page compares with this one.
    The page of a large run has all figures, but only the first `OF_EACH_OUTCOME` records of each outcome.
    Memory holds one block and the index rows of the page. Raises ValueError for an invalid record, for a run without
    records, for two runs of which one is large, and if `out` is another file, or `other` the same run or one without
    shared problems.
    """
    if other is not None and other.path.resolve() == run.path.resolve():
        raise ValueError(f"{other.path}: is compared with itself; give another run")
    for one in (run, other):
        if other is not None and one is not None and one.kind == "training":
            raise ValueError(f"{one.path}: a training run; compare evaluations of its model from before and after")
    if out.is_dir():
        raise ValueError(f"{out}: is a folder; give a file as --out, such as {out / 'report.html'}")
    if out.exists() and not is_ours(out):
        raise ValueError(f"{out}: exists and is not a report of storm view; choose another --out")
    if not out.parent.is_dir():
        raise ValueError(f"{out.parent}: no such folder; choose another --out")
    index: dict[str, Any] = {"facts": facts(run)}
    vocabulary = Vocabulary()
    total = 0
    if run.large or (other is not None and other.large):
        if other is not None:
            raise ValueError(
                f"{run.path if run.large else other.path}: too large for a page with two runs; for the figures use "
                f"storm compare {run.path} {other.path}, and for its trajectories storm view --serve"
            )
        with LargeRun(run) as large:
            index["figures"], index["total"] = large.figures(), (total := large.total())
    with tempfile.TemporaryFile("w+", encoding="ascii") as blocks:
        index["rows"], count = _write_blocks(run, blocks, vocabulary)
        if other is not None:
            rows, _ = _write_blocks(other, blocks, vocabulary, first=count)
            index["other"] = {"facts": facts(other), "rows": rows}
            _check_comparison(run, index, other, index["other"])
        index["vocabulary"] = vocabulary.ids
        blocks.seek(0)
        with atomic_write(out) as draft, draft.open("w", encoding="utf-8") as file:
            pieces = (line.rstrip("\n") for line in blocks)
            file.writelines(page(run, packed(as_json(index)), pieces, live=False))
    return WrittenReport(
        path=out,
        size=out.stat().st_size,
        entries=len(index["rows"]),
        total=total or len(index["rows"]),
        finished=index["facts"]["finished"],
    )


def _check_comparison(run: RunFiles, index: dict[str, Any], other: RunFiles, compared: dict[str, Any]) -> None:
    """Raise ValueError for runs without shared problems; name runs whose folders have the same name by their paths."""
    column = FIELDS.index("id")
    if not {row[column] for row in index["rows"]} & {row[column] for row in compared["rows"]}:
        raise ValueError(f"{run.path} and {other.path} share no problem; compare runs on the same problems")
    if run.name == other.name:
        index["facts"]["name"], compared["facts"]["name"] = str(run.path), str(other.path)


def _entries(run: RunFiles) -> Iterator[Entry]:
    """Yield the entries of all records; of a large run the first `OF_EACH_OUTCOME` of each outcome, in its order."""
    if run.large:
        with LargeRun(run) as large:
            yield from large.first_of_each_outcome(OF_EACH_OUTCOME)
        return
    for path in run.record_files:
        with path.open("rb") as file:
            for _, entry in read_lines(run, path, file):
                yield entry


def _write_blocks(
    run: RunFiles, blocks: TextIO, vocabulary: Vocabulary, *, first: int = 0
) -> tuple[list[list[Any]], int]:
    """Write one line per block; return the rows with block number and index, and the number after the last block.

    first: number of the first block. The last record of a key counts. Raises ValueError for a run without records.
    """
    rows: dict[str, list[Any]] = {}
    block: list[str] = []
    tokens: list[list[Packed]] = []
    number = first

    def write() -> None:
        blocks.write(packed(f'{{"runs":[{",".join(block)}],"tokens":{as_json(tokens)}}}') + "\n")
        block.clear()
        tokens.clear()

    for entry in _entries(run):
        rows[entry.key] = [*entry.values, number, len(block)]
        tokens.append(vocabulary.pack(entry.details["trajectory"]))
        block.append(as_json(entry.details))
        if len(block) == BLOCK_RUNS or sum(map(len, block)) >= BLOCK_CHARACTERS:
            write()
            number += 1
    if block:
        write()
        number += 1
    # A training run may keep no rollouts, and still has a learning curve.
    if not rows and not (run.kind == "training" and learning_curve(run.path)["step"]):
        raise ValueError(f"{run.path}: has no records yet; wait for the first, or use --serve")
    return list(rows.values()), number
