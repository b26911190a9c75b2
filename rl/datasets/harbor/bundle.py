"""Pack a module, and those of `storm_calm` that it imports, into a file that Python runs (`zipapp`).

The containers of exported tasks do not have this project. The same sources give the same bytes.
"""

import ast
import importlib.util
import io
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = "storm_calm"
_TIME = (1980, 1, 1, 0, 0, 0)  # the earliest that a ZIP file can store


def bundle(main: str, more: Iterable[str] = ()) -> bytes:
    """Return the archive. main: the module that runs as the program. more: modules that it imports by name."""
    sources = {"__main__.py": _source(main)} | {_place(name): _source(name) for name in needed({main, *more}) - {main}}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, source in sorted(sources.items()):
            entry = zipfile.ZipInfo(place, _TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, source)
    return buffer.getvalue()


def needed(modules: Iterable[str]) -> set[str]:
    """Return modules of this project with all that they import, packages included."""
    found: set[str] = set()
    todo = list(modules)
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        todo += _imported(ast.parse(_source(name)))
    return found


def _imported(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield from _with_packages(alias.name)
        elif isinstance(child, ast.ImportFrom) and child.module:
            yield from _with_packages(child.module)
            for alias in child.names:
                yield from _with_packages(f"{child.module}.{alias.name}")
        yield from _imported(child)


def _with_packages(name: str) -> Iterator[str]:
    """Yield a module and the packages that contain it; nothing for other names, and modules of others."""
    parts = name.split(".")
    if parts[0] == ROOT and _file(name) is not None:
        yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _file(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:  # The parent is a module and not a package: the name is one of its contents.
        return None
    return Path(spec.origin) if spec is not None and spec.origin else None


def _source(name: str) -> bytes:
    file = _file(name)
    assert file is not None, f"{name} has no source"
    return file.read_bytes()


def _place(name: str) -> str:
    folder = name.replace(".", "/")
    file = _file(name)
    return f"{folder}/__init__.py" if file is not None and file.name == "__init__.py" else f"{folder}.py"
