"""Datasets for training, from golden runs and from problems; `storm export` is this on the command line.

    from storm_calm.rl.datasets import ExportConfig, export

    report = export(ExportConfig(source=Path("runs/first"), format="verl-sft"))

- `rows`: what one run or one problem is in each format
- `sources`: where the runs and problems come from
- `files`: Parquet and JSONL files
- `exporting`: all of it, with the contamination gate and the limit on length

Token ids and masks come from the transcript as it was recorded; nothing is encoded again.
"""

from storm_calm.rl.datasets.exporting import ExportConfig, Report, export
from storm_calm.rl.datasets.rows import FORMATS, Format, message_row, rl_rows, sft_row, trl_row

__all__ = [
    "FORMATS",
    "ExportConfig",
    "Format",
    "Report",
    "export",
    "message_row",
    "rl_rows",
    "sft_row",
    "trl_row",
]
