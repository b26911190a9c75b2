"""Compare the numbers of the program that gave the answer with those that the user gave."""

import ast
from collections import Counter
from collections.abc import Iterator, Sequence

from storm_calm.agents.triggers.arithmetic import key, unit_factors, worked
from storm_calm.agents.triggers.data_use import SMALL_NUMBER, TIME, data_numbers, strict_bounds
from storm_calm.agents.triggers.evidence import Code, last_name, literal, numbers_in
from storm_calm.agents.triggers.number_words import numbers
from storm_calm.agents.verdict.given_numbers import GivenNumbers, enumerations
from storm_calm.env import Episode
from storm_calm.sandbox import Execution
from storm_calm.sandbox.syntax_tree import parse

MAX_SHOWN = 5
MAX_OPERANDS = 100
"""Numbers of a question that are tried in an operation."""
_ORDINARY = 10.0
"""Whole numbers up to this one, halves, quarters and powers of ten are common in any program."""
DECLARATIONS = {
    "IntVar", "NumVar", "Var", "NewIntVar", "new_int_var", "LpVariable", "dicts", "dict", "matrix", "Variable",
    "addVar", "addVars", "addVariable", "addVariables", "addIntegral", "add_variable", "add_integer_variable", "var",
    "Bounds", "minimize",
}  # fmt: skip
"""Functions that declare variables or take a first guess."""


def invented_numbers(episode: Episode, messages: Sequence[str], run: Execution | None = None) -> tuple[float, ...]:
    """Return at most five uncommon numbers of the program that do not follow from the conversation.

    messages: the texts of the conversation, the question last. run: the execution that gave the answer; by default the
    last program that ran.
    """
    code = _program(episode, run)
    if code is None:
        return ()
    given = GivenNumbers(messages, _changed(messages) | _worked_out(episode))
    sizes = {float(len(node.elts)) for node in ast.walk(code.tree) if isinstance(node, ast.List | ast.Tuple)}
    loose = _loose_bounds(code)
    uncommon = [value for value in sorted(data_numbers(code)) if not _is_ordinary(value) and value not in sizes | loose]
    found: list[float] = []
    for value in uncommon:
        if len(found) < MAX_SHOWN and not given.explains(value):
            found.append(value)
    return tuple(found)


def replaced_numbers(episode: Episode, run: Execution | None = None) -> tuple[float, ...]:
    """Return the numbers of the question that the program lacks, if it has other numbers in their place.

    A number in its place is one that is not in the question, however small, or one that a list has more often than the
    question does: `[23, 31, 31]` for 23, 31 and 14. Neither is evidence by itself: questions have irrelevant numbers.
    Numbers are also lacking if the program has most of an enumeration of the question, but not all of it.
    """
    code = _program(episode, run)
    if code is None:
        return ()
    question = TIME.sub(" ", episode.problem.question)
    given = Counter([value for value, _ in numbers_in(question)] + numbers(question))
    some = sorted(given)[:MAX_OPERANDS]
    units = unit_factors(question)
    factors = {1.0, 10.0, 100.0, 1000.0, *units, *some}
    has = {*code.numbers, *code.text_numbers}
    known = {key(one) for value in has for factor in factors if factor for one in (value * factor, value / factor)}
    known |= {key(one) for value in has for one in ((1 - value) * 100, (value - 1) * 100)}
    lacking = tuple(value for value in sorted(given) if value >= SMALL_NUMBER and key(value) not in known)
    scaled = {key(value * factor) for value in has for factor in (1.0, 0.1, 0.01, 0.001, *units)}
    torn = {value for values in enumerations(question) if len(values) > 3 for value in _missing(values, scaled)}
    explained = {*map(key, given), *map(key, factors), *map(key, _worked_out(episode))}
    explained |= {key(value + change) for value in strict_bounds(question) for change in (-1, -0.5, 0.5, 1)}
    for value in [value for value in given if value not in has][:MAX_OPERANDS]:
        explained |= {key(one) for other in some for one in _results(value, other)}
    strange = (
        value > 2 and not _is_power_of_ten(value) and key(value) not in explained
        for value in data_numbers(code) - _loose_bounds(code)
    )
    if any(strange) or any(_repeats(values, given) for values in _lists(code)):
        return lacking
    return tuple(sorted(torn))


def _results(value: float, other: float) -> Iterator[float]:
    """Yield the results of one operation on two numbers, one of which may be a percentage."""
    yield from (value + other, abs(value - other), value * other, value * other / 100)
    yield from (value * (1 - other / 100), other * (1 - value / 100))
    if value and other:
        yield from (value / other, other / value)


def _missing(values: list[float], has: set[float]) -> set[float]:
    """Return the numbers of an enumeration that a program lacks, if they are less than half of it."""
    missing = [value for value in values if value >= SMALL_NUMBER and key(value) not in has]
    return set(missing) if len(missing) < len(values) / 2 else set()


def _changed(messages: Sequence[str]) -> set[float]:
    """Return earlier numbers with the changes of the last message: "with 50 more hours", "with 20 % less"."""
    by_message = [{value for value, _ in numbers_in(text)} | set(numbers(text)) for text in messages]
    changes, earlier = by_message[-1], {value for values in by_message[:-1] for value in values}
    found = {old + sign * by for old in earlier for by in changes for sign in (1, -1)}
    return found | {old * (1 + sign * by / 100) for old in earlier for by in changes for sign in (1, -1)}


def _worked_out(episode: Episode) -> set[float]:
    """Return the results of the equations in the model's text."""
    return {values[-1] for values in worked(episode.transcript.model_text)}


def _lists(code: Code) -> Iterator[Counter[float]]:
    """Yield the numbers of each list, with their counts."""
    for node in code.nodes(ast.List):
        yield Counter(value for element in node.elts if (value := literal(element)) is not None)


def _repeats(values: Counter[float], given: Counter[float]) -> bool:
    """Return whether a list has a number of the question more often than the question has it."""
    return any(value > 2 and 0 < given[value] < count for value, count in values.items())


def _loose_bounds(code: Code) -> set[float]:
    """Return the numbers such as 300 or 99 that bound variables: a first guess, or a bound that is large enough."""
    calls = [call for call in code.nodes(ast.Call) if last_name(call.func) in DECLARATIONS]
    parts = {value for call in calls for part in ast.walk(call) if (value := literal(part)) is not None}
    return {
        value
        for value in parts
        if (value >= 100 and _digits(value) in "123456789") or (value >= _ORDINARY and not _digits(value).strip("9"))
    }


def _program(episode: Episode, run: Execution | None) -> Code | None:
    """Return the program of an execution, by default of the last one that ran; in a session all of its blocks."""
    runs = [execution for execution in episode.executions if execution.ran]
    trees = [(one, tree) for one in runs if (tree := parse(one.code)) is not None]
    codes = [Code(tree) for one, tree in trees if one is run] or [Code(tree) for _, tree in trees]
    if not codes:
        return None
    if codes[-1].undefined:  # A session: earlier blocks have the data.
        return Code(ast.Module(body=[node for _, tree in trees for node in tree.body], type_ignores=[]))
    return codes[-1]


def _is_ordinary(value: float) -> bool:
    """Return whether a program may use the number for itself: an index, a tolerance, a large constant."""
    if value == 0 or (value <= _ORDINARY and value.is_integer()) or value < 1e-3 or value in (0.25, 0.5, 0.75):
        return True
    return _is_power_of_ten(value)


def _is_power_of_ten(value: float) -> bool:
    return _digits(value) == "1"


def _digits(value: float) -> str:
    """Return the significant digits of a number: "15" for 1500."""
    return f"{value:.6e}".partition("e")[0].rstrip("0").rstrip(".").replace(".", "")
