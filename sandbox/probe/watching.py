"""Wrapping a library's solve function: the parts that all watchers share.

A watcher is a generator function over one `Call`. Before its `yield` it sets the time limit and the threads that the
program left unset. The `yield` returns the `SolveOutcome`. The watcher then restores the settings and returns the
functions that build the report and, if the run asks for it, the record:

    def _solve(call: Call) -> Watcher:
        model = call.arguments[0]
        ...
        outcome = yield
        ...
        return Solved(report=lambda: SolverReport(...), record=lambda: SolveRecord(...))

Libraries call each other. Every watcher changes settings, since they belong to the innermost solver. Only the outermost
one reports, so each solve has one report, by the library that the program called. A solve inside a callback, such as
the objective of `scipy.optimize.minimize`, is part of the outer solve.
"""

import ctypes
import gc
import inspect
import io
import os
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass, field
from time import perf_counter
from types import FunctionType, ModuleType
from typing import Any
from weakref import WeakKeyDictionary

from storm_calm.sandbox.execution import SolverReport
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.solve_record import SolveRecord


@dataclass(slots=True)
class Call:
    """A call of a solve function, which a watcher may change before it runs."""

    arguments: list[Any]
    """Positional arguments, including `self`."""
    options: dict[str, Any]
    """Keyword arguments."""
    seconds_left: float | None
    """The time limit to set, in seconds; None if the run has no deadline."""


@dataclass(slots=True)
class SolveOutcome:
    """The result of a call of a solve function."""

    value: Any = None
    """The return value."""
    error: BaseException | None = None
    """The exception, if one was raised."""
    seconds: float = 0.0
    """Wall-clock duration."""
    inner: SolverReport | None = None
    """The report of the last solve that the library delegated to another one."""


@dataclass(slots=True, kw_only=True)
class Solved:
    """The functions that describe a solve after its end."""

    report: Callable[[], SolverReport | None]
    """Builds the report."""
    record: Callable[[], SolveRecord] | None = None
    """Builds the record; called directly after `report`, and only if the run asks for records. May raise any error."""


Watcher = Generator[None, SolveOutcome, Solved | None]


class _State(threading.local):
    depth: int = 0
    inner: SolverReport | None = None


_state = _State()
_wrappers: dict[int, Callable[..., Any]] = {}  # by id; the reference keeps the id from being reused

# `warnings` skips frames of files with this name when it looks for the program's line that caused a warning.
_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "importlib._bootstrap")


def watch_function(
    owner: Any,
    name: str,
    channel: Channel,
    watcher: Callable[[Call], Watcher],
    *,
    reported_errors: tuple[str, ...] | None = (),
) -> None:
    """Wrap the function `name` of a class or module with `watcher`, unless it is already wrapped.

    reported_errors: class names of exceptions that mean a failed solve; None for all. Calls that raise other exceptions
    are not reported.
    """
    if id(inspect.getattr_static(owner, name)) in _wrappers:
        return
    original = getattr(owner, name)

    @disguised_as(original)
    def wrapper(*arguments: Any, **options: Any) -> Any:
        call = Call(list(arguments), dict(options), channel.seconds_left())
        steps = _begin(watcher, call)
        outcome = SolveOutcome()
        _state.depth += 1
        begin = perf_counter()
        try:
            if steps is None:
                outcome.value = original(*arguments, **options)
            else:
                outcome.value = original(*call.arguments, **call.options)
            return outcome.value
        except BaseException as error:
            outcome.error = error
            raise
        finally:
            outcome.seconds = perf_counter() - begin
            _state.depth -= 1
            with suppress(Exception):
                _finish(channel, steps, outcome, reported_errors)
            outcome.error = None  # Its traceback refers to this frame: the cycle would keep all locals alive.

    if isinstance(owner, ModuleType):
        _replace_function(owner, name, wrapper)
    else:
        _set_method(owner, name, wrapper)


def ignore_solves(owner: type, name: str) -> None:
    """Wrap the method `name` of a class so that solves inside it are not reported, unless it is already wrapped."""
    if id(inspect.getattr_static(owner, name)) in _wrappers:
        return
    original = getattr(owner, name)

    @disguised_as(original)
    def wrapper(*arguments: Any, **options: Any) -> Any:
        before = _state.inner
        _state.depth += 1
        try:
            return original(*arguments, **options)
        finally:
            _state.depth -= 1
            _state.inner = before

    _set_method(owner, name, wrapper)


def _begin(watcher: Callable[[Call], Watcher], call: Call) -> Watcher | None:
    """Run the watcher up to its `yield`; return None if it fails."""
    if _state.depth == 0:
        _state.inner = None
    try:
        steps = watcher(call)
        next(steps)
    except Exception:
        return None
    return steps


def _finish(
    channel: Channel, steps: Watcher | None, outcome: SolveOutcome, reported_errors: tuple[str, ...] | None
) -> None:
    """Run the watcher to its end, and send its report or keep it for the outer solve."""
    if steps is None:
        return
    outcome.inner = _state.inner
    try:
        steps.send(outcome)
    except StopIteration as stop:
        failed = outcome.error is not None
        reported = not failed or reported_errors is None or type(outcome.error).__name__ in reported_errors
        solved: Solved | None = stop.value if reported else None
        report = solved.report() if solved else None
        if report is not None and _state.depth:
            _state.inner = report
        elif report is not None:
            channel.send(report, solved.record if solved else None)
        elif _state.depth == 0 and outcome.inner is not None:
            channel.send(outcome.inner)


def disguised_as(original: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a wrapper so that it looks like `original`, does not expose it, and is skipped by `warnings`."""

    def disguise(wrapper: Callable[..., Any]) -> Callable[..., Any]:
        assert isinstance(wrapper, FunctionType)
        for attribute in ("__module__", "__name__", "__qualname__", "__doc__"):
            setattr(wrapper, attribute, getattr(original, attribute, None))
        with suppress(ValueError, TypeError):
            wrapper.__signature__ = inspect.signature(original)  # type: ignore[attr-defined]
        wrapper.__code__ = wrapper.__code__.replace(co_filename=_FILE)
        _wrappers[id(wrapper)] = wrapper
        return wrapper

    return disguise


def _set_method(owner: type, name: str, function: Callable[..., Any]) -> None:
    try:
        setattr(owner, name, function)
    except TypeError:
        # A class written in C. Change the dictionary behind its read-only __dict__, then clear the method cache.
        gc.get_referents(owner.__dict__)[0][name] = function
        ctypes.pythonapi.PyType_Modified(ctypes.py_object(owner))


def _replace_function(module: ModuleType, name: str, function: Callable[..., Any]) -> None:
    """Replace a function in its module and in all modules of the package that imported it."""
    original = getattr(module, name)
    package = module.__name__.partition(".")[0]
    for other in list(sys.modules.values()):
        space = getattr(other, "__dict__", {})
        if space.get(name) is original and str(space.get("__name__", "")).partition(".")[0] == package:
            setattr(other, name, function)


@dataclass(slots=True)
class TemporarySettings:
    """Settings of a solver that are changed for one solve."""

    setter: Callable[[str, Any], Any]
    """Sets an option by name."""
    previous: dict[str, Any] = field(default_factory=dict)
    """The changed options with their previous values."""

    def set_if_unset(self, name: str, current: Any, default: Any, value: Any) -> None:
        """Set the option `name` to `value` if its current value is the default."""
        if current == default:
            self.previous[name] = current
            self.setter(name, value)

    def restore(self) -> None:
        for name, value in self.previous.items():
            with suppress(Exception):
                self.setter(name, value)
        self.previous.clear()


def silent(function: Callable[..., Any]) -> Callable[..., None]:
    """Wrap a function so that its printed output is discarded."""

    def wrapper(*arguments: Any) -> None:
        with redirect_stdout(io.StringIO()):
            function(*arguments)

    return wrapper


class RecordedCalls:
    """The last arguments of methods by object, for settings that a library has no function to read."""

    def __init__(self) -> None:
        self._arguments: WeakKeyDictionary[Any, dict[str, list[Any]]] = WeakKeyDictionary()

    def record(self, owner: type, name: str) -> Callable[..., Any]:
        """Record the calls of the method `name` from now on, and return the original."""
        original = getattr(owner, name)

        @disguised_as(original)
        def recorded(self_: Any, *arguments: Any, **options: Any) -> Any:
            self.add(self_, name, *arguments, *options.values())
            return original(self_, *arguments, **options)

        setattr(owner, name, recorded)
        return original

    def add(self, solver: Any, name: str, *arguments: Any) -> None:
        with suppress(Exception):
            self._arguments.setdefault(solver, {})[name] = list(arguments)

    def of(self, solver: Any) -> dict[str, list[Any]]:
        """Return the arguments of the recorded calls on `solver`, by method name."""
        return self._arguments.get(solver, {})
