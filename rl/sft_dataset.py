"""Golden trajectories for veRL's SFT trainer, with the recorded token ids and loss masks.

veRL loads this class by its name in the configuration (`data.custom_cls`). veRL's own dataset would tokenize messages
again, which can give other ids than the model sampled, and would train on solver output inside assistant turns.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset


class GoldenTrajectories(Dataset[dict[str, torch.Tensor]]):
    """Rows of `storm export --format verl-sft`."""

    def __init__(self, parquet_files: str | Sequence[str], *, max_samples: int = -1, **_: Any) -> None:
        import pyarrow.parquet

        files = [parquet_files] if isinstance(parquet_files, str) else parquet_files
        self._rows: list[dict[str, Any]] = []
        for file in files:
            self._rows += pyarrow.parquet.read_table(Path(file), columns=["input_ids", "loss_mask"]).to_pylist()
        if max_samples > 0:
            self._rows = self._rows[:max_samples]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """Return one trajectory: "input_ids", "position_ids" and "loss_mask", each of shape (tokens,)."""
        row = self._rows[index]
        ids = torch.tensor(row["input_ids"], dtype=torch.long)
        return {
            "input_ids": ids,
            "position_ids": torch.arange(len(ids)),
            "loss_mask": torch.tensor(row["loss_mask"], dtype=torch.long),
        }
