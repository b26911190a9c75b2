"""Triggers 5 and 7, by comparing the numbers of question and program: missing constraints and misread data."""

import ast
import math
import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from itertools import combinations

from storm_calm.agents.triggers.arithmetic import key, number_words, unit_factors, worked
from storm_calm.agents.triggers.evidence import Code, Evidence, Turn, last_name, literal, numbers_in, said_status
from storm_calm.agents.triggers.file_numbers import in_files, reads_files
from storm_calm.agents.triggers.names import finding
from storm_calm.env.intervention import Finding

LIMIT = re.compile(
    r"\bat (?:least|most)\b|\bno (?:more|less|fewer) than\b|\bup to\b|\bonly\b|\blimit(?:ed)?\b|\bcapacity\b"
    r"|\bavailable\b|\bbudget\b|\bmust\b|\brequire[sd]?\b|\bneed at\b|\bholds?\b|\bexceed\b",
    re.IGNORECASE,
)
COMPARED = re.compile(
    r"\b(?:at (?:least|most)|not? (?:more|less|fewer) than|up to|exceed"
    r"|(?:limit|maximum|minimum|capacity|budget) (?:of|is))\s+[$€£]?$",
    re.IGNORECASE,
)
"""Words right before the number of a limit."""
CONSTRAINT_WORDS = {
    "Constraint", "ConstraintList", "RowConstraint", "LinearConstraint", "A_ub", "A_eq", "constraints", "bounds",
}  # fmt: skip
"""Names that constrain, besides those that begin with "add"."""

SETTING = re.compile(
    r"^(?:big_?)?M$|^range$|^round$|^print$|time_?limit|max_?time|^gap|seed|msg|width|precision|threads|workers"
    r"|^tol|^eps|^x0$|^max_?iter",
    re.I,
)
"""Names of calls, keywords, attributes and variables whose numbers are not data of the problem."""

TIME = re.compile(
    r"\b\d{1,2}:\d\d\b|\b(?:from|until|till) \d{1,2}\.\d\d\b(?: to \d{1,2}\.\d\d\b)?"
    r"|\b\d{1,2} ?(?:am|pm|o'clock)\b|\b(?:in|since|by) (?:19|20)\d\d\b"
    r"|\bfrom (?:[01]?\d|2[0-4]) (?:to|until|till) (?:[01]?\d|2[0-4])(?=\s*(?:[,.;:]|$|and\b))",
    re.IGNORECASE,
)
"""Times of day and years, which are not limits themselves. "From 10 to 20" is a time if no unit follows."""

PERCENT = re.compile(r"(?<![\d.])(\d{1,6}(?:\.\d{1,6})?) ?(?:%|percent|per cent)", re.IGNORECASE)
"""A percentage."""

STRICT = re.compile(
    r"\b(?:fewer|less|more|greater|below|under|over|above|before|after|within)(?: than)? [$€£]?$", re.IGNORECASE
)
"""Words before a strict bound."""

CLOCK = (24.0, 60.0, 3600.0)
"""Conversion factors for times, known without the question."""

THOUSANDS = 10_000
"""Numbers from this one on are often written in thousands or millions."""

MAX_CHARS = 20_000
"""Characters of a question that are searched for numbers of which a percentage is meant."""

MAX_PAIRED = 60
"""Missing numbers that are tried in pairs."""

MAX_COMPARISONS = 40_000
"""Numbers of the question times numbers of the program, up to which they are compared."""

SMALL_NUMBER = 10
"""Numbers below this are too common in code to be evidence."""


def missing_constraint(evidence: Evidence) -> Iterator[Finding]:
    """Find programs that do not use some of their data, lack the number of a limit, or have no constraint.

    Programs after one that has all limits may leave some out, unless it was infeasible: then they loosen the problem.
    """
    for turn, code, at in evidence.programs():
        if not code.complete:
            continue
        lacking = _lacking_limits(evidence, turn, code)
        unstated = [(value, clause) for value, clause in lacking if not _states(turn.prose, value)]
        if unused := _unused_data(code, evidence.numbers):
            yield finding("missing_constraint", turn, at, f"{unused} is set and never used")
        elif unstated:
            value, clause = unstated[0]
            shown = f'no {value:g} in the program, but "{clause}" in the question'
            yield finding("missing_constraint", turn, at, shown)
        elif LIMIT.search(evidence.question) and not _constrains(code):
            yield finding("missing_constraint", turn, at, "the program has no constraint at all")
        elif not lacking and not (turn.execution and said_status(turn.execution)):
            return


def misread_number(evidence: Evidence) -> Iterator[Finding]:
    """Find numbers that a program copied wrongly, and limits that the prose states and the program lacks."""
    has_all_limits = False
    for turn, code, at in evidence.programs():
        if not code.complete:
            continue
        for wrong, right in _slips(evidence, turn, code):
            yield finding("misread_number", turn, at, f"{wrong:g} is not in the question, {right:g} is")
        lacking = _lacking_limits(evidence, turn, code)
        has_all_limits = has_all_limits or not lacking
        for value, _ in lacking:
            if not has_all_limits and _states(turn.prose, value):
                yield finding("misread_number", turn, at, f"{value:g} is in the stated model and not in the program")


def _constrains(code: Code) -> bool:
    """Return whether a program adds a constraint. Comparisons count, except as conditions."""
    tests = {
        id(node)
        for branch in ast.walk(code.tree)
        if isinstance(branch, (ast.If, ast.While, ast.IfExp, ast.Assert))
        for node in ast.walk(branch.test)
    }
    adds = any(name.lower().startswith("add") and "var" not in name.lower() for name in code.calls)
    return (
        adds
        or bool(code.words & CONSTRAINT_WORDS)
        or any(id(comparison) not in tests for comparison in code.nodes(ast.Compare))
    )


def _unused_data(code: Code, question: Counter[float]) -> str | None:
    """Return a variable that is never read and has numbers of the question that occur nowhere else in the program."""
    for node in code.tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name not in code.loaded and name != "_":
                found = Counter(number for part in ast.walk(value) if (number := literal(part)) is not None)
                plain = isinstance(value, (ast.List, ast.Tuple, ast.Dict, ast.Constant))
                if plain and any(n >= SMALL_NUMBER and n in question and found[n] == code.numbers[n] for n in found):
                    return name
    return None


def _lacking_limits(evidence: Evidence, turn: Turn, code: Code) -> list[tuple[float, str]]:
    """Return the numbers of limits that neither occur in the program nor lead to a number in it, with their clauses.

    If the data are in files, the text is a story with numbers of its own: only those right after a comparison count.
    """
    if _too_many(evidence, code):
        return []
    in_story = reads_files(evidence, code)
    slipped = {right for _, right in _slips(evidence, turn, code)}
    factors = _factors(evidence)
    own = [n for n in data_numbers(code) if n > 2 and n not in evidence.numbers and not _round(n)]
    used = {value for *values, result in worked(turn.prose) if result in code.numbers for value in values}
    return [
        (value, clause)
        for clause in _limits(evidence.question)
        for value, at in numbers_in(TIME.sub(" ", clause))
        if value >= SMALL_NUMBER
        and not (in_story and not COMPARED.search(TIME.sub(" ", clause)[:at]))
        and not _occurrences(value, code, evidence.question)
        and not _in_text(value, code)
        and not in_files(evidence, code, value)
        and value not in slipped | used
        and not any(_leads(value, number, factors) or abs(value - number) in evidence.numbers for number in own)
    ]


def _states(prose: str, value: float) -> bool:
    """Return whether the prose has a formula with this number on its right side."""
    return any(
        found[0] == value
        for line in re.findall(r"[=≤≥<>]\s*(-?[$€£]?[\d.,]+)", prose)
        if (found := [n for n, _ in numbers_in(line)])
    )


def _limits(question: str) -> Iterator[str]:
    """Yield the clauses that state a limit. A clause that begins with a number continues one: "at least 3, 4 and 5"."""
    for sentence in re.split(r"(?<=[.?!])\s", question):
        limit = False
        for clause in re.split(r"(?<!\d)[,;]|[,;](?!\d)|\band\b", sentence):
            limit = bool(LIMIT.search(clause)) or (limit and re.match(r"\s*[$€£]?\d", clause) is not None)
            if limit:
                yield clause.strip()


def _in_text(value: float, code: Code) -> bool:
    """Return whether a table inside a string has the number, or whether the program has it in thousands or millions."""
    return value in code.text_numbers or (
        value >= THOUSANDS and any(part in code.numbers for part in (value / 1e3, value / 1e6))
    )


def _occurrences(value: float, code: Code, question: str) -> int:
    """Count a number of the question in a program.

    A percentage may be written as a fraction, or as the rest of 100 %, and the reverse.
    """
    near = {value}
    if value in _percentages(question):
        changes = (1 - value / 100, 1 + value / 100)
        given = [number for number, _ in numbers_in(question[:MAX_CHARS])[:MAX_PAIRED]]
        near |= {value / 100, *changes}
        near |= {number * change for number in given for change in (value / 100, *changes)}
    elif value < 1:
        near.add(value * 100)
    return sum(code.rounded[number] for number in {key(number) for number in near})


@lru_cache(maxsize=16)
def _percentages(question: str) -> frozenset[float]:
    return frozenset(float(found) for found in PERCENT.findall(question))


def _slips(evidence: Evidence, turn: Turn, code: Code) -> list[tuple[float, float]]:
    """Return pairs (number in the program, number in the question) that differ by one slip.

    The first is not in the question and was not computed or printed before. The second occurs less often in the program
    than in the question.
    """
    if _too_many(evidence, code):
        return []
    factors = _factors(evidence)
    strict = strict_bounds(evidence.question)
    lacking = [
        number
        for number, count in evidence.numbers.items()
        if number >= SMALL_NUMBER
        and _occurrences(number, code, evidence.question) < count
        and not in_files(evidence, code, number)
    ]
    known = {*evidence.numbers, *number_words(evidence.question), *CLOCK, *evidence.printed_before(turn)}
    known |= {values[-1] for values in worked(turn.prose)}
    # The program may have the result of an operation on two missing numbers: a price less a cost, a share of a total.
    absent = [number for number in evidence.numbers if _occurrences(number, code, evidence.question) == 0]
    for one, other in (*combinations(lacking[:MAX_PAIRED], 2), *combinations(absent[:MAX_PAIRED], 2)):
        known |= {round(value, 9) for value in (one + other, abs(one - other), one * other, one * other / 100)}
    strange = [
        n
        for n in data_numbers(code)
        if n >= SMALL_NUMBER
        and n not in known
        and not _round(n)
        and not in_files(evidence, code, n)
        and not any(_leads(given, n, factors) for given in evidence.numbers)
    ]
    return [
        (wrong, right)
        for wrong in sorted(strange)
        for right in sorted(lacking)
        if _one_slip(wrong, right) and not (abs(wrong - right) == 1 and right in strict)
    ]


def _too_many(evidence: Evidence, code: Code) -> bool:
    """Return whether question and program have so many numbers that comparing them all would take seconds."""
    return len(evidence.numbers) * len(code.numbers) > MAX_COMPARISONS


def strict_bounds(question: str) -> set[float]:
    """Return the numbers that are strict bounds ("fewer than"): a program may then use the next integer."""
    found = numbers_in(question)
    return {value for value, at in found if STRICT.search(question[max(0, at - 20) : at])}


def _factors(evidence: Evidence) -> frozenset[float]:
    """Return the factors by which the numbers of the question may be scaled, rounded by `key`."""
    known = {*evidence.numbers, *number_words(evidence.question), *unit_factors(evidence.question)}
    return frozenset(map(key, known))


def _leads(given: float, reached: float, factors: frozenset[float]) -> bool:
    """Return whether `reached` is `given` multiplied or divided by a factor, or without its decimal point.

    The given number or the factor must be at least `SMALL_NUMBER`: small ones match by chance.
    """
    if not given or not reached:
        return False
    scales = (10, 100, 1000) if given != int(given) else (100, 1000)
    if any(math.isclose(given * scale, reached) for scale in scales):
        return True
    ways = map(key, (reached / given, given / reached, reached * given))
    return any(factor in factors and factor != 1 and max(given, factor) >= SMALL_NUMBER for factor in ways)


def data_numbers(code: Code) -> set[float]:
    """Return the numbers of a program that can be data, without those that configure a solver or a loop."""
    settings: set[int] = set()
    for node in ast.walk(code.tree):
        values: list[ast.expr] = []
        match node:
            case ast.keyword(arg=str(name)) if SETTING.search(name):
                values = [node.value]
            case ast.Call() if SETTING.search(last_name(node.func)):
                values = node.args
            case ast.Assign() if any(SETTING.search(last_name(target)) for target in node.targets):
                values = [node.value]
        settings |= {id(part) for value in values for part in ast.walk(value)}
    data = (literal(node) for node in ast.walk(code.tree) if id(node) not in settings)
    return {number for number in data if number is not None}


def _round(value: float) -> bool:
    """Return whether a number is a power of ten: a scale, a big-M or a percentage."""
    return f"{value:.0f}".rstrip("0") == "1" and value == int(value)


def _one_slip(first: float, second: float) -> bool:
    """Return whether two numbers differ by one changed, dropped or added digit, or by two swapped neighbours."""
    a, b = f"{first:g}", f"{second:g}"
    if len(a) == len(b):
        differing = [i for i in range(len(a)) if a[i] != b[i]]
        i = differing[0] if differing else 0
        swapped = differing == [i, i + 1] and a[i : i + 2] == b[i + 1] + b[i]
        return len(differing) == 1 or swapped
    shorter, longer = sorted((a, b), key=len)
    return len(longer) == len(shorter) + 1 and any(longer[:i] + longer[i + 1 :] == shorter for i in range(len(longer)))
