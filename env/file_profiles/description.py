"""Describe all data files of a problem within the space of the prompt that they may have together.

Every file begins with one line. As long as there is space, files get the names of their columns or keys, then the
details of columns, then the first rows; those that need the least space come first.
"""

import hashlib
import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from storm_calm.env.file_profiles.links import Keys, Place
from storm_calm.env.file_profiles.profile_file import MAX_READ_BYTES, Part, profile_file
from storm_calm.env.file_profiles.shown import shown
from storm_calm.env.file_profiles.table import TableProfile, groups, joined
from storm_calm.env.file_profiles.workbook import unpacked_size

MAX_CHARACTERS = 9_000
"""Characters of the description of all files."""
MAX_FILES = 100
"""Files that are read; of further ones only the names are described."""
MAX_COLUMNS = 20
"""Columns of a table that are described one by one."""
MAX_ALL_BYTES = 24 << 20
"""Bytes of all files that are measured."""
_HIDDEN = 4  # The level of detail of a file that is not described.
_NOTE = 900  # Characters for what was left out.
_NAME = 255
_CACHED = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class _Block:
    """A file or sheet, from its most detailed description to its shortest."""

    texts: tuple[str, ...]
    lacks: tuple[str, ...]
    """What each of the texts leaves out."""


_cache: OrderedDict[tuple[str | bytes, ...], str] = OrderedDict()
_lock = threading.Lock()


def describe(files: Mapping[str, bytes]) -> str:
    """Return a list in Markdown of at most `MAX_CHARACTERS` characters. It is kept: problems are rendered often."""
    names = sorted(files)
    key: tuple[str | bytes, ...] = (*names, *(hashlib.sha256(files[name]).digest() for name in names[:MAX_FILES]))
    with _lock:
        known = _cache.get(key)
        if known is not None:
            _cache.move_to_end(key)
            return known
    text = _describe({name: files[name] for name in names})
    with _lock:
        _cache[key] = text
        while len(_cache) > _CACHED:
            _cache.popitem(last=False)
    return text


def _describe(files: Mapping[str, bytes]) -> str:
    names = list(files)[:MAX_FILES]
    most = _share([_size(name, files[name]) for name in names])
    parts = [(name, part) for name in names for part in profile_file(name, files[name], most=most)]
    blocks = _blocks(parts)
    levels = _levels(blocks, MAX_CHARACTERS - _NOTE)
    lines = [block.texts[level] for block, level in zip(blocks, levels, strict=True) if level < len(block.texts)]
    hidden = [name for (name, part), level in zip(parts, levels, strict=True) if level == _HIDDEN and not part.title]
    return "\n".join([*lines, *_left_out(blocks, levels, [*hidden, *list(files)[MAX_FILES:]])])


def _size(name: str, content: bytes) -> int:
    return unpacked_size(content) if name.lower().endswith(".xlsx") else len(content)


def _share(sizes: Sequence[int]) -> int:
    """Return the bytes of each file to measure, so that all together are at most `MAX_ALL_BYTES`."""
    left = MAX_ALL_BYTES
    for index, size in enumerate(sorted(sizes)):
        fair = left // (len(sizes) - index)
        if size > fair:
            return min(fair, MAX_READ_BYTES)
        left -= size
    return MAX_READ_BYTES


def _levels(blocks: Sequence[_Block], space: int) -> list[int]:
    """Return the level of detail of each block: 0 for all, `_HIDDEN` for nothing."""
    levels = [_HIDDEN] * len(blocks)
    for number, block in enumerate(blocks):
        space -= len(block.texts[-1]) + 1
        if space < 0:
            return levels
        levels[number] = _HIDDEN - 1
    for level in reversed(range(_HIDDEN - 1)):
        costs = [len(block.texts[level]) - len(block.texts[levels[number]]) for number, block in enumerate(blocks)]
        for number in sorted(range(len(blocks)), key=lambda number: (costs[number], number)):
            if costs[number] <= space:
                space -= costs[number]
                levels[number] = level
    return levels


def _left_out(blocks: Sequence[_Block], levels: Sequence[int], hidden: Sequence[str]) -> list[str]:
    """Return the lines on what was left out for lack of space."""
    lines = []
    if hidden:
        kinds = Counter(PurePosixPath(name).suffix.lower()[:10] or "no suffix" for name in hidden)
        counts = ", ".join(f"{count} {shown(kind)}" for kind, count in sorted(kinds.items())[:10])
        ends = shown(hidden[0]) if len(hidden) == 1 else f"{shown(hidden[0])} ... {shown(hidden[-1])}"
        lines.append(f"- and {len(hidden)} more files ({counts}): {ends}")
    lacks = Counter(
        block.lacks[level]
        for block, level in zip(blocks, levels, strict=True)
        if level < len(block.lacks) and block.lacks[level]
    )
    if lacks:
        texts = "; ".join(f"{lack} of {count} file{'' if count == 1 else 's'}" for lack, count in sorted(lacks.items()))
        lines.append(f"Left out to keep this short: {texts}. Print what you need with a program.")
    return lines


def _blocks(parts: Sequence[tuple[str, Part]]) -> list[_Block]:
    """Return the descriptions of files and sheets."""
    tables = [
        Place(name=_place(name, part), stem=PurePosixPath(name).stem, table=part.table)
        for name, part in parts
        if part.table is not None
    ]
    keys = Keys(tables)
    numbers = iter(range(len(tables)))
    return [_block(name, part, keys, next(numbers) if part.table is not None else -1) for name, part in parts]


def _place(name: str, part: Part) -> str:
    return f"{shown(name)} sheet {shown(part.title)}" if part.title else shown(name)


def _block(name: str, part: Part, keys: Keys, number: int) -> _Block:
    indent = "  " if part.title else ""
    head = f"{indent}- sheet {shown(part.title)}: " if part.title else f"- {shown(name, _NAME)}: "
    first = head + part.summary
    inner = f"{indent}  "
    if part.table is None:
        lines, short = ([inner + line for line in some] for some in (part.lines, part.short_lines))
        keyed = [f"{inner}keys: {_shortened(part.keys)}"] if part.keys else []
        texts = (_joined([first, *lines]), _joined([first, *short]), _joined([first, *keyed]), first)
        some = "" if short == lines else "part of the content"
        rest = "content" if lines else ""
        return _Block(texts=texts, lacks=("", some, rest, rest))
    columns = [inner + line for line in column_lines(part.table, keys, number, listed=not part.whole)]
    rows = [f"{inner}{'all lines' if part.whole else 'first lines'}:"] if part.rows else []
    rows += [f"{inner}  {row}" for row in part.rows]
    names = [*(column.name for column in part.table.columns), *part.table.more[-1:]]
    short, lack = (rows, "column details") if part.whole else (columns, "first rows")
    return _Block(
        texts=(
            _joined([first, *columns, *rows]),
            _joined([first, *short]),
            _joined([first, f"{inner}columns: {_shortened(names)}"]),
            first,
        ),
        lacks=("", lack, "column details and first rows", "columns"),
    )


def _joined(lines: list[str]) -> str:
    return "\n".join(line.rstrip() for line in lines)


def column_lines(table: TableProfile, keys: Keys, number: int, *, listed: bool = True) -> list[str]:
    """Return a line for each column, or series of columns, of a table.

    number: of the table among those of `keys`. listed: with the texts in columns.
    """
    lines: list[str] = []
    position = 0
    for group in groups(table, keys.labels):
        if len(lines) == MAX_COLUMNS:
            break
        column = group[0]
        if len(group) == 1:
            reference = keys.of_column(column, (number, position), named=table.named)
            facts = [column.describe(listed=listed), reference]
            lines.append(f"{shown(column.name)}: {', '.join(filter(None, facts))}")
        else:
            names = [one.name for one in group]
            labels = keys.of_names(names, number) if table.named else ""
            facts = [joined(group).describe(listed=listed), table.matrix, labels]
            lines.append(
                f"{shown(names[0])} ... {shown(names[-1])} ({len(group)} columns): {', '.join(filter(None, facts))}"
            )
        position += len(group)
    rest = table.width - position
    if rest:
        last = table.more[-1] if table.more else table.columns[-1].name
        first = table.columns[position].name if position < len(table.columns) else table.more[0]
        numeric = all(column.numeric for column in table.columns[position:]) and not table.more
        lines.append(f"and {rest} more {'numeric ' if numeric else ''}columns: {shown(first)} ... {shown(last)}")
    if table.key and table.rows > 1:
        lines.append(f"unique together: {', '.join(map(shown, table.key))}")
    return lines


def _shortened(names: Sequence[str]) -> str:
    """Return the names of columns or keys; of many the first, and the last."""
    some = names if len(names) <= MAX_COLUMNS else names[: MAX_COLUMNS // 2]
    texts = ", ".join(shown(name, also_quoted=",;") for name in some)
    return texts if len(some) == len(names) else f"{texts} ... {shown(names[-1])}"
