"""Export a dataset: read records, filter them, make rows, and write the file."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from storm_calm.env.prompt_format import FILE_NAME, PromptFormat, read_prompt_format
from storm_calm.rl.contamination import ContaminationGate, Match, read_question_files
from storm_calm.rl.datasets.dataset_files import check_dataset_file, write_rows
from storm_calm.rl.datasets.export_config import ExportConfig
from storm_calm.rl.datasets.export_report import ExportReport, nothing_left
from storm_calm.rl.datasets.harbor import write_tasks
from storm_calm.rl.datasets.sources import ExportRecord, is_finished, knows_protocol, read_records
from storm_calm.rl.datasets.training_rows import (
    NEED_IDS,
    OF_PROBLEMS,
    check_prompt,
    ids_fix,
    learned_tokens,
    rl_rows,
    scorable_problems,
    trajectory_row,
)


def export(config: ExportConfig) -> ExportReport:
    """Write the dataset. Long trajectories are left out, since cut ones would teach to stop without an answer.

    Raises ValueError for an unsuitable source, for an existing file, and if no row is left.
    """
    check_dataset_file(config.file, config.format)
    gate = ContaminationGate(read_question_files(config.against))
    records = read_records(config.source, config.format)
    check_token_ids(records, config)
    kept: list[ExportRecord] = []
    contaminated: dict[str, Match] = {}
    rejected: dict[str, str] = {}
    too_long: dict[str, int] = {}
    for record in records:
        id = record.problem.id
        if match := gate.match_problem(record.problem, split=config.split):
            contaminated[id] = match
        elif reason := (config.rejected or {}).get(id):
            rejected[id] = reason
        elif config.max_tokens is not None and record.tokens > config.max_tokens:
            too_long[id] = record.tokens
        else:
            kept.append(record)
    if not kept:
        reasons = nothing_left(contaminated, rejected, too_long, config.max_tokens)
        raise ValueError(f"{config.source}: no rows are left: {reasons}")
    rows: list[dict[str, Any]] = []
    if config.format == "harbor":
        write_tasks(config.file, scorable_problems(record.problem for record in kept))
    else:
        rows, prompt_format = _rows(kept, config)
        write_rows(config.file, rows, config.format, prompt_format)
    return ExportReport(
        file=str(config.file),
        format=config.format,
        rows=len(kept),
        tokens=None if config.format in OF_PROBLEMS else sum(record.tokens for record in kept),
        learned_tokens=learned_tokens(rows, config.format),
        estimated=any(record.trajectory and record.trajectory.transcript.ids is None for record in kept),
        compared=len(gate.questions),
        too_long=too_long,
        contaminated=contaminated,
        rejected=rejected,
        unfinished=not is_finished(config.source),
    )


def check_token_ids(records: Sequence[ExportRecord], config: ExportConfig) -> None:
    """Raise ValueError if the format needs token ids and trajectories have none."""
    if config.format not in NEED_IDS:
        return
    trajectories = [record.trajectory for record in records if record.trajectory is not None]
    without = [one for one in trajectories if one.transcript.ids is None]
    if without:
        raise ValueError(
            f"{config.source}: {len(without)} of {len(trajectories)} golden trajectories have no token ids, so "
            f"{config.format} cannot have a loss mask; {ids_fix(without[0])}"
        )


def _rows(records: Sequence[ExportRecord], config: ExportConfig) -> tuple[list[dict[str, Any]], PromptFormat | None]:
    """Return the rows, and the format of their prompts; None if the source does not record one."""
    own = read_prompt_format(config.source) if config.source.is_dir() else None
    if config.format == "verl-rl":
        if config.instructions is None and own is not None:
            instructions: str | None = own.system_prompt
        else:
            explain = config.instructions if config.instructions is not None else not knows_protocol(config.source)
            instructions = None if explain else ""
        problems = [record.problem for record in records]
        rows = rl_rows(problems, split=config.split, instructions=instructions)
        return rows, replace(own, instructions=instructions) if own is not None else None
    trajectories = [record.trajectory for record in records if record.trajectory is not None]
    if own is not None:
        for one in trajectories:
            check_prompt(one, own, str(config.source / FILE_NAME))
    return [trajectory_row(one, config.format, hints=config.hints, prompt_format=own) for one in trajectories], own
