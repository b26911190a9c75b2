"""Golden runs as veRL's SFT trainer reads them: tokens and masks as they were recorded.

veRL takes this class by name (`data.custom_cls`). Its own would encode messages anew, which gives other tokens than the
model wrote, and learn solver output along with the rest of an assistant's turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import Dataset


class GoldenTrajectories(Dataset[dict[str, torch.Tensor]]):
    """Rows of `storm export --format verl-sft`."""

    def __init__(
        self,
        parquet_files: str | Sequence[str],
        tokenizer: Any,
        config: Any,
        processor: Any = None,
        max_samples: int = -1,
    ) -> None:
        import pyarrow.parquet

        files = [parquet_files] if isinstance(parquet_files, str) else list(parquet_files)
        self._rows: list[dict[str, Any]] = []
        for file in files:
            table = pyarrow.parquet.read_table(Path(file), columns=["input_ids", "loss_mask"])
            self._rows += table.to_pylist()
        if max_samples > 0:
            self._rows = self._rows[:max_samples]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        """One run: "input_ids", "position_ids" and "loss_mask", each of shape (tokens,)."""
        row = self._rows[index]
        ids = torch.tensor(row["input_ids"], dtype=torch.long)
        return {
            "input_ids": ids,
            "position_ids": torch.arange(len(ids)),
            "loss_mask": torch.tensor(row["loss_mask"], dtype=torch.long),
        }
