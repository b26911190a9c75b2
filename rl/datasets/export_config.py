"""The settings of an export, and what does not go together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from storm_calm.env.problems.families import Split
from storm_calm.rl.datasets.dataset_files import SUFFIXES
from storm_calm.rl.datasets.training_rows import FORMATS, Format


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
