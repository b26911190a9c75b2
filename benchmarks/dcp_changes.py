"""Changed solutions of DCP-Bench-Open, to compare verdicts on outputs that models rarely print.

for change, text in changed_texts('{"x": [1, 2]}'): ...     # ("no key", "{}"), ("empty list", '{"x": []}'), ...
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

Solution = dict[str, Any]


def changed_texts(printed: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each change of a printed JSON object that applies to it."""
    solution: Solution = json.loads(printed)
    yield "broken JSON", printed.replace(":", "", 1)
    yield "no JSON", "done"
    yield "two objects", f"{printed}\n{printed}"
    yield "text around", f"Optimal.\n{printed}\nEnd."
    yield "not a number", re.sub(r"-?\d+", "NaN", printed, count=1)
    for change, make in CHANGES.items():
        changed = make(solution)
        if changed is not None and json.dumps(changed) != json.dumps(solution):
            yield change, json.dumps(changed)


def worst_program(program: str) -> str | None:
    """Return the reference program with its objective reversed, so that it prints a bad plan; None without one."""
    found = re.search(r"model\.(minimize|maximize)\(", program)
    if found is None:
        return None
    other = "maximize" if found[1] == "minimize" else "minimize"
    return f"{program[: found.start(1)]}{other}{program[found.end(1) :]}"


def first_number(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return the value with its first number changed."""
    if isinstance(value, list) and value:
        return [first_number(value[0], change), *value[1:]]
    return change(value) if isinstance(value, int | float) else value


def every_number(value: Any, change: Callable[[Any], Any]) -> Any:
    """Return the value with all of its numbers changed."""
    if isinstance(value, list):
        return [every_number(one, change) for one in value]
    return change(value) if isinstance(value, int | float) else value


def _first(solution: Solution, change: Callable[[Any], Any]) -> Solution | None:
    """Return the solution with the value of its first key changed."""
    return {key: change(value) if not place else value for place, (key, value) in enumerate(solution.items())} or None


def _all(solution: Solution, change: Callable[[Any], Any]) -> Solution:
    return {key: every_number(value, change) for key, value in solution.items()}


def _list(solution: Solution, change: Callable[[list[Any]], list[Any]]) -> Solution | None:
    """Return the solution with its first list changed; None without a list."""
    key = next((key for key, value in solution.items() if isinstance(value, list) and value), None)
    return None if key is None else {**solution, key: change(solution[key])}


def _by_index(solution: Solution) -> Solution | None:
    """Return the solution with the elements of its first list under keys of their own."""
    key = next((key for key, value in solution.items() if isinstance(value, list)), None)
    if key is None:
        return None
    rest = {name: value for name, value in solution.items() if name != key}
    return {**rest, **{f"{key}[{place}]": value for place, value in enumerate(solution[key])}}


CHANGES: dict[str, Callable[[Solution], Solution | None]] = {
    "no key": lambda solution: {},
    "first key left out": lambda solution: dict(list(solution.items())[1:]),
    "last key left out": lambda solution: dict(list(solution.items())[:-1]),
    "key in capitals": lambda solution: {key.upper(): value for key, value in solution.items()},
    "key with spaces": lambda solution: {f" {key} ": value for key, value in solution.items()},
    "extra key": lambda solution: {**solution, "no_such_variable": 1},
    "extra key that is a number": lambda solution: {**solution, "1": 1},
    "key that is an expression": lambda solution: {f"{key} + 0": value for key, value in solution.items()},
    "key in parentheses": lambda solution: {f"({key})": value for key, value in solution.items()},
    "elements by index": _by_index,
    "next value": lambda solution: _first(solution, lambda value: first_number(value, lambda number: number + 1)),
    "far value": lambda solution: _first(solution, lambda value: first_number(value, lambda number: 10**9)),
    "half more": lambda solution: _first(solution, lambda value: first_number(value, lambda number: number + 0.5)),
    "decimals": lambda solution: _all(solution, float),
    "truth values": lambda solution: _all(solution, bool),
    "truth values as texts": lambda solution: _all(solution, lambda number: str(bool(number))),
    "numbers as texts": lambda solution: _all(solution, str),
    "value as text": lambda solution: _first(solution, str),
    "null": lambda solution: _first(solution, lambda value: None),
    "object as value": lambda solution: _first(solution, lambda value: {"value": value}),
    "value in a list": lambda solution: _first(solution, lambda value: [value]),
    "empty list": lambda solution: _list(solution, lambda values: []),
    "shorter list": lambda solution: _list(solution, lambda values: values[:-1]),
    "longer list": lambda solution: _list(solution, lambda values: [*values, values[-1]]),
    "reversed list": lambda solution: _list(solution, lambda values: values[::-1]),
    "one number for a list": lambda solution: _list(solution, lambda values: values[0]),
}
"""The changes of a solution by name; None if one does not apply."""
