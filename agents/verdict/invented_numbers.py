"""Compare the numbers of the last program with those that the user gave."""

import ast
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from math import isclose

from storm_calm.agents.triggers.arithmetic import unit_factors
from storm_calm.agents.triggers.data_use import SMALL_NUMBER, data_numbers
from storm_calm.agents.triggers.evidence import Code, literal, numbers_in
from storm_calm.agents.triggers.number_words import numbers
from storm_calm.env import Episode
from storm_calm.sandbox.syntax_tree import parse

MAX_SHOWN = 5
_ORDINARY = 10.0
"""Whole numbers up to this one, and powers of ten, are common in any program."""


def invented_numbers(episode: Episode, messages: Sequence[str]) -> tuple[float, ...]:
    """Return at most five uncommon numbers of the last program that are not in the conversation.

    messages: the texts of the conversation, the question last.
    """
    code = _last_program(episode)
    if code is None:
        return ()
    by_message = [{value for value, _ in numbers_in(text)} | set(numbers(text)) for text in messages]
    given = {value for values in by_message for value in values}
    # "With 50 more hours", "with 20 % less": earlier numbers with the change applied.
    changes, earlier = by_message[-1], {value for values in by_message[:-1] for value in values}
    given |= {old + sign * by for old in earlier for by in changes for sign in (1, -1)}
    given |= {old * (1 + sign * by / 100) for old in earlier for by in changes for sign in (1, -1)}
    given |= {value / 100 for value in given} | {value * 100 for value in given}
    uncommon = [value for value in sorted(code.numbers) if not _is_ordinary(value)]
    return tuple(value for value in uncommon if not any(isclose(value, known) for known in given))[:MAX_SHOWN]


def replaced_numbers(episode: Episode) -> tuple[float, ...]:
    """Return the numbers of the question that the last program lacks, if it has other numbers in their place.

    A number in its place is one that is not in the question, however small, or one that a list has more often than the
    question does: `[23, 31, 31]` for 23, 31 and 14. Neither is evidence by itself: questions have irrelevant numbers.
    """
    code = _last_program(episode)
    if code is None:
        return ()
    question = episode.problem.question
    given = Counter([value for value, _ in numbers_in(question)] + numbers(question))
    factors = {1.0, 100.0, *unit_factors(question), *given}
    known = {one for value in code.numbers for factor in factors if factor for one in (value * factor, value / factor)}
    lacking = tuple(value for value in sorted(given) if value >= SMALL_NUMBER and not _contains(known, value))
    sums = {one for value in lacking for other in given for one in (value + other, abs(value - other), value * other)}
    explained = {*given, *factors, *sums}
    strange = (
        value > 2 and not _is_power_of_ten(value) and not _contains(explained, value) for value in data_numbers(code)
    )
    return lacking if any(strange) or any(_repeats(values, given) for values in _lists(code)) else ()


def _lists(code: Code) -> Iterator[Counter[float]]:
    """Yield the numbers of each list, with their counts."""
    for node in code.nodes(ast.List):
        yield Counter(value for element in node.elts if (value := literal(element)) is not None)


def _repeats(values: Counter[float], given: Counter[float]) -> bool:
    """Return whether a list has a number of the question more often than the question has it."""
    return any(value > 2 and 0 < given[value] < count for value, count in values.items())


def _last_program(episode: Episode) -> Code | None:
    programs = (execution.code for execution in episode.executions if execution.ran)
    trees = [tree for code in programs if (tree := parse(code)) is not None]
    return Code(trees[-1]) if trees else None


def _contains(numbers: Collection[float], value: float) -> bool:
    return any(isclose(value, number) for number in numbers)


def _is_ordinary(value: float) -> bool:
    """Return whether a program may use the number for itself: an index, a tolerance, a large constant."""
    if value == 0 or (value <= _ORDINARY and value.is_integer()) or value < 1e-3:
        return True
    return _is_power_of_ten(value)


def _is_power_of_ten(value: float) -> bool:
    return f"{value:.6e}".partition("e")[0].rstrip("0").rstrip(".") == "1"
