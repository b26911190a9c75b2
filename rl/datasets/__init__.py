"""Export training datasets from golden trajectories and from problems. The command is `storm export`.

    from storm_calm.rl.datasets import ExportConfig, export

    report = export(ExportConfig(source=Path("runs/first"), format="verl-sft"))

Token ids and loss masks are those of the recorded transcript; nothing is tokenized again.
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
