"""Watching libraries that a program imports itself: the moment in which a module has been loaded.

A finder at the head of `sys.meta_path` lets the others find the module, and hangs itself on the loader that they found,
for this one load. A module that is reloaded is met again.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from storm_calm.sandbox.probe.channel import harmless


class ImportHook:
    """A finder that finds nothing itself: it calls a function for each module that was loaded under a known name."""

    def __init__(self, expected: Mapping[str, Callable[[ModuleType], None]]) -> None:
        self._expected = dict(expected)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the other finders find."""
        arrived = self._expected.get(name)
        if arrived is None:
            return None
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find else None
            if spec is not None:
                with harmless():
                    _hang_on(spec.loader, arrived)
                return spec
        return None


def _hang_on(loader: Any, arrived: Callable[[ModuleType], None]) -> None:
    original = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        del loader.exec_module
        original(module)
        with harmless():
            arrived(module)

    # The interpreter takes frames of this name out of the tracebacks of imports that fail, as it does with its own.
    exec_module.__code__ = exec_module.__code__.replace(
        co_filename="<frozen importlib._bootstrap>", co_name="_call_with_frames_removed"
    )
    loader.exec_module = exec_module
