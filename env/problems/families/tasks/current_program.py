"""The reference program as someone would have written it for these files alone.

    write_program(family, data, 1e-4)     # Without the parts for files, columns and parameters that the data lack.

Otherwise the program of a solved problem would already handle requirements that are only added later.
"""

import ast
from collections.abc import Iterator

from storm_calm.env.problems.families.scaled.scaled_family import ScaledFamily
from storm_calm.env.problems.families.scaled.tables import Data, Table, write_tables


def write_program(family: ScaledFamily, data: Data, gap: float) -> str:
    """Return a program that solves the problem with these data, and handles nothing that these data do not have."""
    text = family.program_within(data, gap)
    files = write_tables(family.tables, data)
    absent = _names(family) - set(files) - {name for content in files.values() for name in _words(content)}
    tree = ast.parse(text)
    unused = {line for node in tree.body if _is_about(node, absent) for line in range(node.lineno, _end(node) + 1)}
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


def _is_about(node: ast.stmt, absent: set[str]) -> bool:
    """Return whether a statement only handles something that is absent: an `if`, or a `try` to read a file."""
    if isinstance(node, ast.If):
        return any(isinstance(part, ast.Constant) and part.value in absent for part in ast.walk(node.test))
    if isinstance(node, ast.Try):
        return any(isinstance(part, ast.Constant) and part.value in absent for part in ast.walk(node.body[0]))
    return False


def _end(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno
