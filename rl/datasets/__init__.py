"""Datasets for training, from golden runs and from problems; `storm export` is this on the command line.

    from storm_calm.rl.datasets import ExportConfig, export

    report = export(ExportConfig(source=Path("runs/first"), format="verl-sft"))

- `export_dataset`: a whole export, from the golden trajectories to the file, step by step
- `export_config`, `export_report`: what to export, and what was exported
- `sources`: reads the golden trajectories and problems
- `training_rows`: a trajectory or problem as a row of each format
- `dataset_files`: Parquet and JSONL files

Token ids and masks come from the transcript as it was recorded; nothing is encoded again.
"""

from storm_calm.rl.datasets.export_config import ExportConfig
from storm_calm.rl.datasets.export_dataset import export
from storm_calm.rl.datasets.export_report import ExportReport
from storm_calm.rl.datasets.training_rows import FORMATS, Format, message_row, rl_rows, sft_row, trl_row

__all__ = [
    "FORMATS",
    "ExportConfig",
    "ExportReport",
    "Format",
    "export",
    "message_row",
    "rl_rows",
    "sft_row",
    "trl_row",
]
