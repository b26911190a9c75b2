"""Putting a watcher around a library's solve: what all the watchers share.

A watcher is a generator function over one `Call`. Before its `yield` it lends the solve what the program left open; the
yield gives it the `SolveOutcome`; then it takes back what it lent, and returns a function that makes the report:

    def _solve(call: Call) -> Watcher:
        model = call.arguments[0]
        ...
        outcome = yield
        ...
        return lambda: SolverReport(...)

Libraries call each other. Every watcher lends, as the settings are those of the solver underneath, but only the
outermost one reports: a solve is one report, by the library that the program called. So solves that a program makes in
a function that it gave to a solve, such as the objective of `scipy.optimize.minimize`, are part of that one.
"""

from __future__ import annotations

import ctypes
import gc
import inspect
import os
import sys
import threading
import types
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter
from types import ModuleType
from typing import Any

from storm_calm.sandbox.execution import SolverReport
from storm_calm.sandbox.probe.channel import Channel, harmless


@dataclass(slots=True)
class Call:
    """A solve that is about to begin. A watcher may change what the library is called with."""

    arguments: list[Any]
    """What the library's function was called with, the object it belongs to included."""
    options: dict[str, Any]
    """The same by name."""
    seconds_left: float | None
    """The time limit to lend, in seconds; None where the run has no end."""


@dataclass(slots=True)
class SolveOutcome:
    """A solve that ended."""

    value: Any = None
    """What the library returned."""
    error: BaseException | None = None
    """What it raised instead."""
    seconds: float = 0.0
    """Wall seconds that it took."""
    inner: SolverReport | None = None
    """What the last solve said that the library left to another library."""


Report = Callable[[], SolverReport | None]
Watcher = Generator[None, SolveOutcome, Report | None]


class _State(threading.local):
    depth: int = 0
    inner: SolverReport | None = None


_state = _State()
_watched: dict[int, Callable[..., Any]] = {}  # all wrappers by their ids; kept, so that no id is given twice

# Warnings pass over frames of files with such a name when they look for the line of the program that is to blame.
_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "importlib._bootstrap")


def watch(owner: Any, name: str, channel: Channel, watcher: Callable[[Call], Watcher]) -> None:
    """Put `watcher` around the function `name` of the class or module `owner`; once, however often it is asked for."""
    original = inspect.getattr_static(owner, name)
    if id(original) in _watched:
        return
    wrapper = wrap(getattr(owner, name), channel, watcher)
    if isinstance(owner, ModuleType):
        replace_everywhere(owner, name, wrapper)
    else:
        set_method(owner, name, wrapper)


def wrap(original: Callable[..., Any], channel: Channel, watcher: Callable[[Call], Watcher]) -> Callable[..., Any]:
    """The function with `watcher` around it, looking like itself."""

    @disguised_as(original)
    def wrapper(*arguments: Any, **options: Any) -> Any:
        call, steps = _begin(channel, watcher, arguments, options)
        outcome = SolveOutcome()
        _state.depth += 1
        begin = perf_counter()
        try:
            outcome.value = original(*call.arguments, **call.options)
            return outcome.value
        except BaseException as error:
            outcome.error = error
            raise
        finally:
            outcome.seconds = perf_counter() - begin
            _state.depth -= 1
            with harmless():
                _finish(channel, steps, outcome)
            outcome.error = None  # It leads to this frame, and would keep all that the frame holds.

    return wrapper


def _begin(
    channel: Channel, watcher: Callable[[Call], Watcher], arguments: tuple[Any, ...], options: dict[str, Any]
) -> tuple[Call, Watcher | None]:
    """Let the watcher lend. Where it can't, the call goes on as the program made it."""
    if _state.depth == 0:
        _state.inner = None
    call = Call(list(arguments), dict(options), channel.seconds_left())
    try:
        steps = watcher(call)
        next(steps)
    except Exception:
        return Call(list(arguments), options, None), None
    return call, steps


def _finish(channel: Channel, steps: Watcher | None, outcome: SolveOutcome) -> None:
    """Let the watcher take back, and say what the solve came to."""
    if steps is None:
        return
    outcome.inner = _state.inner
    try:
        steps.send(outcome)
    except StopIteration as stop:
        make: Report | None = stop.value
        report = make() if make else None
        if report is None and _state.depth == 0:
            report = outcome.inner
        if report is not None and _state.depth:
            _state.inner = report
        elif report is not None:
            channel.send(report)


def disguised_as(original: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator: the wrapper looks like the function that it wraps, does not lead to it, and is passed over."""

    def disguise(wrapper: Callable[..., Any]) -> Callable[..., Any]:
        assert isinstance(wrapper, types.FunctionType)
        for attribute in ("__module__", "__name__", "__qualname__", "__doc__"):
            setattr(wrapper, attribute, getattr(original, attribute, None))
        with suppress(ValueError, TypeError):
            wrapper.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
        wrapper.__code__ = wrapper.__code__.replace(co_filename=_FILE)
        _watched[id(wrapper)] = wrapper
        return wrapper

    return disguise


def set_method(owner: type, name: str, function: Callable[..., Any]) -> None:
    """Set a method of a class, also of one that is written in C and can't be changed the usual way."""
    try:
        setattr(owner, name, function)
    except TypeError:
        # The dictionary behind the read-only view that __dict__ gives; then the interpreter must forget what it cached.
        gc.get_referents(owner.__dict__)[0][name] = function
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(owner))


def replace_everywhere(module: ModuleType, name: str, function: Callable[..., Any]) -> None:
    """Replace a module's function there and wherever its package imported it to."""
    original = getattr(module, name)
    package = module.__name__.partition(".")[0]
    for other in list(sys.modules.values()):
        space = getattr(other, "__dict__", {})
        if space.get(name) is original and str(space.get("__name__", "")).partition(".")[0] == package:
            setattr(other, name, function)


@dataclass(slots=True)
class TemporarySettings:
    """Settings that were lent to a solver, and what they were before."""

    set: Callable[[str, Any], Any]
    """Sets one of them."""
    before: dict[str, Any] = field(default_factory=dict)

    def lend(self, name: str, now: Any, unset: Any, value: Any) -> None:
        """Set `name` to `value` where it stands at `unset` now."""
        if now == unset:
            self.before[name] = now
            self.set(name, value)

    def take_back(self) -> None:
        """Put back what was there."""
        for name, value in self.before.items():
            with harmless():
                self.set(name, value)
        self.before.clear()
