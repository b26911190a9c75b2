"""A whole export: runs or problems in, the gate, the limit on length, one file and a report out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from storm_calm.env import Episode, Problem
from storm_calm.env.problems.families import Split
from storm_calm.rl.contamination import HELD_OUT, EvalQuestion, Gate, Match, is_heldout, read_questions
from storm_calm.rl.datasets.files import SUFFIXES, check_file, write_rows
from storm_calm.rl.datasets.rows import FORMATS, NOT_LEARNED, Format, message_row, rl_rows, sft_row, trl_row
from storm_calm.rl.datasets.sources import golden_runs, is_finished, problems_of, told_nothing


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportConfig:
    """What to write, from where, and what to keep out."""

    source: Path
    """A curation's folder; for verl-rl a file of problems will do."""
    format: Format
    """Which trainer the file is for."""
    out: Path | None = None
    """The file to write; beside the source and named after the format by default."""
    hints: bool = True
    """Whether hints are learned; for the formats with masks."""
    max_tokens: int | None = None
    """Runs of more tokens, prompt included, are left out; None for no limit."""
    against: tuple[Path, ...] = ()
    """Files of evaluation questions, and folders of such files (.jsonl or .json); what matches one is left out."""
    split: Split = "train"
    """What the rows are for; with "heldout" problems of the families' held-out split may be among them."""
    instructions: bool | None = None
    """Whether verl-rl prompts tell the model about the protocol; None for what fits the source's reasoner."""
    rejected: Mapping[str, str] | None = None
    """Runs that reviewers rejected, which are left out: why, by problem id; None where nobody asked for it."""

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ValueError(f"format is {self.format!r}; give one of {', '.join(FORMATS)}")
        if self.split not in get_args(Split):
            raise ValueError(f'split is {self.split!r}; give "train" or "heldout"')
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ValueError(f"max_tokens is {self.max_tokens}; give at least 1")
        if self.max_tokens is not None and self.format == "verl-rl":
            raise ValueError("max_tokens counts the tokens of runs, and verl-rl has prompts only; leave it out")
        if self.rejected is not None and self.format == "verl-rl":
            raise ValueError("reviewers reject runs, and verl-rl has prompts only; leave out --drop-rejected")
        if not self.hints and self.format in ("messages", "verl-rl"):
            raise ValueError(f"hints are left out by a mask, and {self.format} has none; use verl-sft or trl")
        if self.instructions is not None and self.format != "verl-rl":
            raise ValueError(f"instructions are for verl-rl; the runs of {self.format} have their prompts already")

    @property
    def file(self) -> Path:
        """The file to write."""
        if self.out is not None:
            return self.out
        suffix = SUFFIXES[self.format][0]
        if self.source.is_dir():
            return self.source / f"{self.format}{suffix}"
        return self.source.with_name(f"{self.source.stem}.{self.format}{suffix}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What came of an export."""

    file: str
    """The file that was written."""
    format: Format
    """As in the settings."""
    rows: int
    """Rows in the file."""
    tokens: int | None
    """Tokens in all rows, prompts included; None for verl-rl."""
    learned_tokens: int | None
    """Tokens with a loss; None for formats without a mask."""
    estimated: bool
    """Whether `tokens` is an estimate, because runs have no token ids."""
    compared: int
    """Evaluation questions that the rows were compared with."""
    too_long: dict[str, int] = field(default_factory=dict)
    """Runs that were left out for their length: their tokens by problem id."""
    contaminated: dict[str, Match] = field(default_factory=dict)
    """Rows that were left out because they are evaluation questions: what they match by problem id."""
    rejected: dict[str, str] = field(default_factory=dict)
    """Runs that were left out because reviewers rejected an intervention of theirs: why, by problem id."""
    unfinished: bool = False
    """Whether the source is a curation that was stopped half way."""


def export(config: ExportConfig) -> Report:
    """Write the file. Runs are left out whole: one cut at its end would teach to stop without an answer.

    Raises ValueError for a source that does not fit, a file that is there already, and where no row is left.
    """
    check_file(config.file, config.format)
    gate = Gate(_questions(config.against))
    if config.format == "verl-rl":
        problems = problems_of(config.source)
        contaminated = _contaminated(problems, gate, config.split)
        runs, rejected, too_long = None, {}, {}
        taught = not told_nothing(config.source) if config.instructions is None else config.instructions
        rest = (problem for problem in problems if problem.id not in contaminated)
        rows = rl_rows(rest, split=config.split, instructions=None if taught else "")
    else:
        golden = golden_runs(config.source)
        contaminated = _contaminated((run.problem for run in golden), gate, config.split)
        clean = [run for run in golden if run.problem.id not in contaminated]
        rejected = {run.problem.id: why for run in clean if (why := (config.rejected or {}).get(run.problem.id))}
        clean = [run for run in clean if run.problem.id not in rejected]
        too_long = {run.problem.id: run.transcript.count() for run in clean if _is_long(run, config.max_tokens)}
        runs = [run for run in clean if run.problem.id not in too_long]
        rows = [_row(run, config) for run in runs]
    if not rows:
        raise ValueError(f"{config.source}: no rows are left: {_reasons(config, contaminated, rejected, too_long)}")
    write_rows(config.file, rows, config.format)
    return Report(
        file=str(config.file),
        format=config.format,
        rows=len(rows),
        tokens=None if runs is None else sum(run.transcript.count() for run in runs),
        learned_tokens=_learned(rows, config.format),
        estimated=any(run.transcript.ids is None for run in runs or ()),
        compared=len(gate.questions),
        too_long=too_long,
        contaminated=contaminated,
        rejected=rejected,
        unfinished=not is_finished(config.source),
    )


def _is_long(run: Episode, most: int | None) -> bool:
    return most is not None and run.transcript.count() > most


def _row(run: Episode, config: ExportConfig) -> dict[str, Any]:
    match config.format:
        case "verl-sft":
            return sft_row(run, hints=config.hints)
        case "trl":
            return trl_row(run, hints=config.hints)
    return message_row(run)


def _questions(places: Iterable[Path]) -> list[EvalQuestion]:
    files: list[Path] = []
    for place in places:
        inside = [place]
        if place.is_dir():
            inside = sorted(file for file in place.iterdir() if file.suffix in (".jsonl", ".json"))
        if not inside:
            raise ValueError(f"{place}: no .jsonl or .json file in it to compare with")
        files.extend(inside)
    return [question for file in files for question in read_questions(file)]


def _contaminated(problems: Iterable[Problem], gate: Gate, split: Split) -> dict[str, Match]:
    found: dict[str, Match] = {}
    for problem in problems:
        match = HELD_OUT if split == "train" and is_heldout(problem) else gate.match(problem.question)
        if match:
            found[problem.id] = match
    return found


def _reasons(
    config: ExportConfig, contaminated: dict[str, Match], rejected: dict[str, str], too_long: dict[str, int]
) -> str:
    """Why nothing is left."""
    heldout = sum(match.how == "held out" for match in contaminated.values())
    reasons = {
        "of the families' held-out split (curate --split train, or export with --split heldout)": heldout,
        "the same as evaluation questions": len(contaminated) - heldout,
        "that reviewers rejected": len(rejected),
        f"of more than {config.max_tokens} tokens": len(too_long),
    }
    return "; ".join(f"{count} {reason}" for reason, count in reasons.items() if count)


def _learned(rows: Sequence[dict[str, Any]], format: Format) -> int | None:
    """Counted in the rows themselves, as a trainer would."""
    if format == "verl-sft":
        return sum(sum(row["loss_mask"]) for row in rows)
    if format == "trl":
        return sum(label != NOT_LEARNED for row in rows for label in row["labels"])
    return None
