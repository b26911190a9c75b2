"""The reference program as someone would have written it for these files alone.

    write_program(family, data, 1e-4)     # Without the parts for files, columns and parameters that the data lack.

Otherwise the program of a solved problem would already handle requirements that are only added later.
"""

import ast
from collections.abc import Iterable, Iterator

from storm_calm.env.problems.families.scaled.scaled_family import ScaledFamily
from storm_calm.env.problems.families.scaled.tables import Data, Table, write_tables


def write_program(family: ScaledFamily, data: Data, gap: float) -> str:
    """Return a program that solves the problem with these data, and handles nothing that these data do not have."""
    text = family.program_within(data, gap)
    files = write_tables(family.tables, data)
    absent = _names(family) - set(files) - {name for content in files.values() for name in _words(content)}
    text = _without(
        text, [node for node in ast.parse(text).body if isinstance(node, ast.If) and _names_any(node.test, absent)]
    )
    body = ast.parse(text).body
    return _without(text, [node for node in body if _only_reads(node, absent) and not _is_used(node, body)])


def _without(text: str, nodes: Iterable[ast.stmt]) -> str:
    """Return the program without these statements."""
    unused = {line for node in nodes for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    lines = [line for number, line in enumerate(text.splitlines(), start=1) if number not in unused]
    return "\n".join(lines) + "\n"


def _names(family: ScaledFamily) -> set[str]:
    """Return the names of all files, columns and parameters that a family can have."""
    names = set()
    for table in family.tables:
        parts = table.columns if isinstance(table, Table) else table.scalars
        names |= {table.file, *(part.name for part in parts)}
    return names


def _words(content: bytes) -> Iterator[str]:
    """Yield the column names of a file, and the names of parameters."""
    lines = content.decode().splitlines()
    yield from lines[0].replace(";", ",").split(",")
    if lines[0] == "parameter;value":
        yield from (line.partition(";")[0] for line in lines[1:])


def _names_any(node: ast.AST, absent: set[str]) -> bool:
    """Return whether a part of a program names something that is absent."""
    return any(isinstance(part, ast.Constant) and part.value in absent for part in ast.walk(node))


def _only_reads(node: ast.stmt, absent: set[str]) -> bool:
    """Return whether a statement tries to read an absent file."""
    return isinstance(node, ast.Try) and _names_any(node.body[0], absent)


def _is_used(node: ast.stmt, body: Iterable[ast.stmt]) -> bool:
    """Return whether other statements use a name that this one assigns."""
    assigned = {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    others = (part for other in body if other is not node for part in ast.walk(other))
    return any(isinstance(part, ast.Name) and part.id in assigned for part in others)
