"""Export a dataset: read records one at a time, filter them, make rows, and write the file."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any

from storm_calm.env.prompt_format import FILE_NAME, PromptFormat, read_prompt_format
from storm_calm.rl.contamination import ContaminationGate, read_question_files
from storm_calm.rl.datasets.dataset_files import check_dataset_file, write_rows
from storm_calm.rl.datasets.export_config import ExportConfig
from storm_calm.rl.datasets.export_report import ExportReport, LeftOutRows
from storm_calm.rl.datasets.harbor import write_tasks
from storm_calm.rl.datasets.record_table import write_table
from storm_calm.rl.datasets.sources import ExportRecord, is_finished, knows_protocol, read_records
from storm_calm.rl.datasets.training_rows import (
    NEED_IDS,
    OF_PROBLEMS,
    check_prompt,
    check_scorable,
    ids_fix,
    learned_tokens,
    rl_row,
    trajectory_row,
)


def export(config: ExportConfig) -> ExportReport:
    """Write the dataset. Long trajectories are left out, since cut ones would teach to stop without an answer.

    Records are read, filtered and written one at a time. Raises ValueError for an unsuitable source, for an existing
    file, and if no row is left.
    """
    check_dataset_file(config.file, config.format)
    if config.format == "parquet":
        return _report(config, rows=write_table(config.source, config.file))
    kept = _KeptRecords(config)
    if config.format == "harbor":
        write_tasks(config.file, kept.problems())
    else:
        make_row, prompt_format = _row_maker(config)
        rows = (kept.learned(make_row(record, number)) for number, record in enumerate(kept))
        # Without a first row, no file is written.
        for first in rows:
            write_rows(config.file, chain([first], rows), config.format, prompt_format)
    if not kept.rows:
        raise ValueError(f"{config.source}: no rows are left: {kept.left_out.summary(config.max_tokens)}")
    return _report(
        config,
        rows=kept.rows,
        tokens=None if config.format in OF_PROBLEMS else kept.tokens,
        learned_tokens=kept.learned_tokens if config.format in NEED_IDS else None,
        estimated=kept.estimated,
        compared=len(kept.gate.questions),
        **kept.left_out.fields(),
    )


def _report(config: ExportConfig, **fields: Any) -> ExportReport:
    empty = {"tokens": None, "learned_tokens": None, "estimated": False, "compared": 0}
    unfinished = not is_finished(config.source)
    return ExportReport(file=str(config.file), format=config.format, unfinished=unfinished, **(empty | fields))


class _KeptRecords:
    """The records that are not left out, in order, and counts of those that were read so far."""

    def __init__(self, config: ExportConfig) -> None:
        self.config = config
        self.gate = ContaminationGate(read_question_files(config.against))
        self.left_out = LeftOutRows()
        self.rows = self.tokens = self.learned_tokens = 0
        self.estimated = False

    def __iter__(self) -> Iterator[ExportRecord]:
        config = self.config
        for record in read_records(config.source, config.format):
            id, trajectory = record.problem.id, record.trajectory
            without_ids = trajectory is not None and trajectory.transcript.ids is None
            if without_ids and config.format in NEED_IDS:
                raise _no_token_ids(config, record)
            if match := self.gate.match_problem(record.problem, split=config.split):
                self.left_out.add_match(id, match)
            elif reason := (config.rejected or {}).get(id):
                self.left_out.rejected.add(id, reason)
            elif config.max_tokens is not None and record.tokens > config.max_tokens:
                self.left_out.too_long.add(id, record.tokens)
            else:
                self.rows += 1
                self.tokens += record.tokens
                self.estimated |= without_ids
                yield record

    def problems(self) -> Iterator[Any]:
        """Yield their problems. Raises ValueError for one without answers."""
        for record in self:
            check_scorable(record.problem)
            yield record.problem

    def learned(self, row: dict[str, Any]) -> dict[str, Any]:
        """Count the tokens with a loss in a row, and return the row."""
        if self.config.format in NEED_IDS:
            self.learned_tokens += learned_tokens(row, self.config.format)
        return row


def _no_token_ids(config: ExportConfig, first: ExportRecord) -> ValueError:
    """Return the error for trajectories without token ids, for a format that needs them. It reads the source again."""
    with_ids = Counter(
        one.trajectory is not None and one.trajectory.transcript.ids is not None
        for one in read_records(config.source, config.format)
    )
    assert first.trajectory is not None
    return ValueError(
        f"{config.source}: {with_ids[False]} of {with_ids.total()} golden trajectories have no token ids, so "
        f"{config.format} cannot have a loss mask; {ids_fix(first.trajectory)}"
    )


def _row_maker(
    config: ExportConfig,
) -> tuple[Callable[[ExportRecord, int], dict[str, Any]], PromptFormat | None]:
    """Return the function that makes a row of a record and its number, and the format of the prompts.

    The format is None if the source does not record one.
    """
    own = read_prompt_format(config.source) if config.source.is_dir() else None
    if config.format == "verl-rl":
        if config.instructions is None and own is not None:
            instructions: str | None = own.system_prompt
        else:
            explain = config.instructions if config.instructions is not None else not knows_protocol(config.source)
            instructions = None if explain else ""
        make = partial(rl_row, split=config.split, instructions=instructions)
        prompt_format = replace(own, instructions=instructions) if own is not None else None
        return lambda record, number: make(record.problem, number), prompt_format

    def row(record: ExportRecord, _number: int) -> dict[str, Any]:
        assert record.trajectory is not None
        if own is not None:
            check_prompt(record.trajectory, own, str(config.source / FILE_NAME))
        return trajectory_row(record.trajectory, config.format, hints=config.hints, prompt_format=own)

    return row, own
