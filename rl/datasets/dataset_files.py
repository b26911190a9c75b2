"""Write dataset files, Parquet and JSONL, and folders of tasks. Nothing that exists is overwritten."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from storm_calm.env.atomic_write import atomic_write
from storm_calm.env.jsonl import write_lines
from storm_calm.env.prompt_format import PromptFormat, parse_prompt_format, prompt_format_text
from storm_calm.rl.datasets.training_rows import Format

SUFFIXES: dict[Format, tuple[str, ...]] = {
    "verl-sft": (".parquet",),
    "trl": (".parquet", ".jsonl"),
    "messages": (".jsonl",),
    "verl-rl": (".parquet",),
    "harbor": ("",),
}
"""The file types of each format; the first is the default. "": a folder."""


FORMAT_KEY = "storm.prompt_format"
"""The key of the prompt format in the metadata of a Parquet file."""


def check_dataset_file(path: Path, format: Format) -> None:
    """Raise ValueError for a wrong suffix, for an existing file or folder, and if Parquet lacks its package."""
    if SUFFIXES[format] != ("",) and path.suffix not in SUFFIXES[format]:
        raise ValueError(f"{path}: {format} is written as {' or '.join(SUFFIXES[format])}; choose such an --out")
    if path.exists():
        raise ValueError(f"{path}: already exists; choose another --out")
    if path.suffix == ".parquet":
        _pyarrow("pyarrow")


def write_rows(
    path: Path, rows: Sequence[dict[str, Any]], format: Format, prompt_format: PromptFormat | None = None
) -> None:
    """Write the rows atomically to a path that `check_dataset_file` accepts.

    prompt_format: of their prompts, recorded in the metadata of Parquet files; None if unknown.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jsonl":
        write_lines(path, rows)
        return
    schema = _schema(format)
    if prompt_format is not None:
        schema = schema.with_metadata({FORMAT_KEY: prompt_format_text(prompt_format)})
    table = _pyarrow("pyarrow").Table.from_pylist(list(rows), schema=schema)
    with atomic_write(path) as draft:
        _pyarrow("pyarrow.parquet").write_table(table, draft)


def read_dataset_format(path: Path) -> PromptFormat | None:
    """Return the prompt format that a Parquet file records, or None. Raises ValueError if it is invalid."""
    try:
        metadata = _pyarrow("pyarrow.parquet").read_schema(path).metadata or {}
    except (OSError, _pyarrow("pyarrow").ArrowInvalid):
        return None
    text = metadata.get(FORMAT_KEY.encode())
    try:
        return None if text is None else parse_prompt_format(text.decode(errors="replace"))
    except ValueError as error:
        raise ValueError(f"{path}: its prompt format: {error}") from error


def _schema(format: Format) -> Any:
    # Explicit, since a type inferred from empty lists or texts would be wrong.
    pa = _pyarrow("pyarrow")
    text, numbers = pa.string(), pa.list_(pa.int64())
    names = {"id": text, "family": text, "difficulty": text, "source": text}
    message = pa.struct({"role": text, "content": text})
    columns = {
        "verl-sft": {**names, "input_ids": numbers, "loss_mask": numbers},
        "trl": {"input_ids": numbers, "labels": numbers, "attention_mask": numbers},
        "verl-rl": {
            "data_source": text,
            "agent_name": text,
            "prompt": pa.list_(message),
            "reward_model": pa.struct({"style": text, "ground_truth": text}),
            "extra_info": pa.struct({"index": pa.int64(), "split": text, "id": text, "problem": text}),
        },
    }
    return pa.schema(list(columns[format].items()))


def _pyarrow(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ValueError(
            f"Parquet files need the pyarrow package ({error}); pip install 'storm-calm[export]'"
        ) from error
