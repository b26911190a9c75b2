"""The settings of an export, and their validation."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from storm_calm.env.problems.families import Split
from storm_calm.rl.datasets.dataset_files import SUFFIXES
from storm_calm.rl.datasets.training_rows import FORMATS, NEED_IDS, OF_PROBLEMS, Format


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportConfig:
    """The settings of an export."""

    source: Path
    """The run folder of a curation; for formats of problems also a file of problems, for parquet also an evaluation."""
    format: Format
    """The format of the rows, which depends on the trainer."""
    out: Path | None = None
    """The file or, for harbor, the folder to write (default: next to the source, with the name of the format;
    records.parquet for parquet)."""
    hints: bool = True
    """Whether hints have a loss; for formats with a loss mask."""
    max_tokens: int | None = None
    """The most tokens of a trajectory, prompt included; longer ones are left out. None for no limit."""
    against: tuple[Path, ...] = ()
    """Files of evaluation questions, and folders of such files (.jsonl or .json). Rows that match one are left out."""
    split: Split = "train"
    """The use of the rows; "heldout" allows problems of the families' held-out split."""
    instructions: bool | None = None
    """Whether verl-rl prompts explain the protocol; None for what fits the source's reasoner."""
    rejected: Mapping[str, str] | None = None
    """Reasons why reviewers rejected trajectories, by problem id. They are left out. None without a review."""

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise ValueError(f"format is {self.format!r}; give one of {', '.join(FORMATS)}")
        if self.split not in get_args(Split):
            raise ValueError(f'split is {self.split!r}; give "train" or "heldout"')
        if self.format == "parquet":
            self._check_table()
            return
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ValueError(f"max_tokens is {self.max_tokens}; give at least 1")
        if self.max_tokens is not None and self.format in OF_PROBLEMS:
            raise ValueError(f"max_tokens limits trajectories, but {self.format} has only prompts; leave it out")
        if self.rejected is not None and self.format in OF_PROBLEMS:
            raise ValueError(
                f"reviewers reject trajectories, but {self.format} has only prompts; leave out --drop-rejected"
            )
        if not self.hints and self.format not in NEED_IDS:
            raise ValueError(f"leaving out hints needs a loss mask, which {self.format} lacks; use verl-sft or trl")
        if self.instructions is not None and self.format != "verl-rl":
            raise ValueError(f"instructions are for verl-rl; trajectories in {self.format} keep their own prompts")

    def _check_table(self) -> None:
        given = {
            "--no-hints": not self.hints,
            "--max-tokens": self.max_tokens is not None,
            "--against": bool(self.against),
            "--drop-rejected": self.rejected is not None,
            "--instructions": self.instructions is not None,
        }
        wrong = [name for name, is_given in given.items() if is_given]
        if wrong:
            raise ValueError(f"parquet is a table of all records for analysis, not for training; leave out {wrong[0]}")

    @property
    def file(self) -> Path:
        if self.out is not None:
            return self.out
        if self.format == "parquet":
            return self.source / "records.parquet"
        suffix = SUFFIXES[self.format][0]
        if self.source.is_dir():
            return self.source / f"{self.format}{suffix}"
        return self.source.with_name(f"{self.source.stem}.{self.format}{suffix}")
