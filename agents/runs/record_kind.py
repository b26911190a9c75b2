"""The kinds of records that run folders store, and the columns of each in the index of a store."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SqlValue = str | int | float | None

QUESTION = 200
"""The most characters of a question in an index."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordKind:
    """A kind of records."""

    name: str
    """The stem of its file or folder, such as "episodes"."""
    what: str
    """What each line should be, for messages, such as "a record of this curation"."""
    columns: Mapping[str, str]
    """The columns of the index and their SQL types. Long texts last: SQLite reads the columns before them faster."""
    row: Callable[[dict[str, Any]], tuple[str, Mapping[str, SqlValue]]]
    """Validate the JSON data of a line. Return its key, and a value for each column."""
    listed: tuple[str, ...] = ()
    """Columns that lists and figures read for all records. They have an SQL index of their own, in this order, so that
    a million records are counted without reading their texts."""

    def plain_file(self, folder: Path) -> Path:
        """Return the path of the records of a small run, one JSON object a line."""
        return folder / f"{self.name}.jsonl"

    def parts_folder(self, folder: Path) -> Path:
        """Return the path of the folder with the records of a large run."""
        return folder / self.name

    def stored_name(self, folder: Path) -> str:
        """Return the name of the file, or of the folder with "/", that has the records of a run."""
        plain, parts = self.plain_file(folder), self.parts_folder(folder)
        return f"{parts.name}/" if parts.is_dir() else plain.name

    def exists(self, folder: Path) -> bool:
        """Return whether a run folder has records of this kind, in either form."""
        return self.plain_file(folder).exists() or self.parts_folder(folder).is_dir()

    def files(self, folder: Path) -> list[Path]:
        """Return the files of the records in a run folder, in order."""
        plain = self.plain_file(folder)
        return [plain] if plain.exists() else part_files(self.parts_folder(folder))


def part_files(folder: Path) -> list[Path]:
    """Return the parts in a folder, in order."""
    return sorted(folder.glob("part-*.jsonl.gz"), key=part_number)


def part_number(path: Path) -> int:
    """Return the number of a part."""
    return int(path.name.removeprefix("part-").partition(".")[0])


def part_path(folder: Path, part: int) -> Path:
    """Return the path of a part."""
    return folder / f"part-{part:05}.jsonl.gz"
