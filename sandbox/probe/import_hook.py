"""Calling a function when the program has imported a given module.

A finder at the head of `sys.meta_path` lets the other finders find the module, and wraps `exec_module` of its loader
for this one import. A module that is reloaded is reported again.
"""

import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class ImportHook:
    """A finder that delegates to the other finders, and calls a function for each module in `expected`."""

    def __init__(self, expected: Mapping[str, Callable[[ModuleType], None]]) -> None:
        self._expected = dict(expected)

    def find_spec(self, name: str, path: Any = None, target: ModuleType | None = None) -> ModuleSpec | None:
        on_import = self._expected.get(name)
        if on_import is None:
            return None
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find else None
            if spec is not None:
                with suppress(Exception):
                    _wrap_loader(spec.loader, on_import)
                return spec
        return None


def _wrap_loader(loader: Any, on_import: Callable[[ModuleType], None]) -> None:
    original = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        del loader.exec_module
        original(module)
        with suppress(Exception):
            on_import(module)

    # Python removes frames with these names from the tracebacks of failed imports.
    exec_module.__code__ = exec_module.__code__.replace(
        co_filename="<frozen importlib._bootstrap>", co_name="_call_with_frames_removed"
    )
    loader.exec_module = exec_module
