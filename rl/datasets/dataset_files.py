"""Write dataset files, Parquet and JSONL, and folders of tasks. Nothing that exists is overwritten."""

import importlib
from collections.abc import Iterable, Iterator, Mapping
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
    "parquet": (".parquet",),
}
"""The file types of each format; the first is the default. "": a folder."""


FORMAT_KEY = "storm.prompt_format"
"""The key of the prompt format in the metadata of a Parquet file."""
GROUP_ROWS = 10_000
"""Most rows of a row group in a Parquet file."""
GROUP_SIZE = 2_000_000
"""Characters and numbers after which a row group ends, which bounds the memory."""


def check_dataset_file(path: Path, format: Format) -> None:
    """Raise ValueError for a wrong suffix, for an existing file or folder, and if Parquet lacks its package."""
    if SUFFIXES[format] != ("",) and path.suffix not in SUFFIXES[format]:
        raise ValueError(f"{path}: {format} is written as {' or '.join(SUFFIXES[format])}; choose such an --out")
    if path.exists():
        raise ValueError(f"{path}: already exists; choose another --out")
    if path.suffix == ".parquet":
        pyarrow("pyarrow")


def write_rows(
    path: Path, rows: Iterable[dict[str, Any]], format: Format, prompt_format: PromptFormat | None = None
) -> None:
    """Write the rows one at a time, atomically, to a path that `check_dataset_file` accepts.

    prompt_format: of their prompts, recorded in the metadata of Parquet files; None if unknown.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".jsonl":
        write_lines(path, rows)
        return
    schema = _schema(format)
    if prompt_format is not None:
        schema = schema.with_metadata({FORMAT_KEY: prompt_format_text(prompt_format)})
    write_parquet(path, rows, schema)


def write_parquet(path: Path, rows: Iterable[Mapping[str, Any]], schema: Any) -> int:
    """Write the rows atomically in row groups of bounded size. Returns their number. schema: a `pyarrow.Schema`."""
    count = 0
    with atomic_write(path) as draft, pyarrow("pyarrow.parquet").ParquetWriter(draft, schema) as writer:
        for group in _groups(rows):
            writer.write_table(pyarrow("pyarrow").Table.from_pylist(group, schema=schema))
            count += len(group)
        if not count:
            writer.write_table(schema.empty_table())
    return count


def _groups(rows: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    """Yield the rows in groups of at most `GROUP_ROWS` rows and about `GROUP_SIZE` characters and numbers."""
    group: list[Mapping[str, Any]] = []
    size = 0
    for row in rows:
        group.append(row)
        size += _size(row)
        if len(group) == GROUP_ROWS or size >= GROUP_SIZE:
            yield group
            group, size = [], 0
    if group:
        yield group


def _size(value: Any) -> int:
    """Return about how many characters and numbers a value has."""
    if isinstance(value, Mapping):
        return sum(map(_size, value.values()))
    if isinstance(value, list):
        return sum(map(_size, value)) if value and isinstance(value[0], Mapping) else len(value)
    return len(value) if isinstance(value, str) else 1


def read_dataset_format(path: Path) -> PromptFormat | None:
    """Return the prompt format that a Parquet file records, or None. Raises ValueError if it is invalid."""
    try:
        metadata = pyarrow("pyarrow.parquet").read_schema(path).metadata or {}
    except (OSError, pyarrow("pyarrow").ArrowInvalid):
        return None
    text = metadata.get(FORMAT_KEY.encode())
    try:
        return None if text is None else parse_prompt_format(text.decode(errors="replace"))
    except ValueError as error:
        raise ValueError(f"{path}: its prompt format: {error}") from error


def _schema(format: Format) -> Any:
    # Explicit, since a type inferred from empty lists or texts would be wrong.
    pa = pyarrow("pyarrow")
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


def pyarrow(module: str) -> Any:
    """Import a module of pyarrow. Raises ValueError that names the extra if it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ValueError(
            f"Parquet files need the pyarrow package ({error}); pip install 'storm-calm[export]'"
        ) from error
