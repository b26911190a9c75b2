"""The numbers of the question against those of the program: missing constraints and misread data (triggers 5 and 7)."""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Iterator
from itertools import combinations

from storm_calm.agents.triggers.arithmetic import number_words, unit_factors, worked
from storm_calm.agents.triggers.evidence import Code, Evidence, Turn, literal, numbers_in
from storm_calm.agents.triggers.names import finding
from storm_calm.env.intervention import Finding

LIMIT = re.compile(
    r"\bat (?:least|most)\b|\bno (?:more|less|fewer) than\b|\bup to\b|\bonly\b|\blimit(?:ed)?\b|\bcapacity\b"
    r"|\bavailable\b|\bbudget\b|\bmust\b|\brequire[sd]?\b|\bneed at\b|\bholds?\b|\bexceed\b",
    re.IGNORECASE,
)
CONSTRAINT_WORDS = {
    "Constraint", "ConstraintList", "RowConstraint", "LinearConstraint", "A_ub", "A_eq", "constraints", "bounds",
}  # fmt: skip
"""Names that constrain beside all that begin with "add"."""

SETTING = re.compile(
    r"^(?:big_?)?M$|^range$|^round$|^print$|time_?limit|^gap|seed|msg|width|precision|threads|^tol|^eps", re.I
)
"""Names of calls, keywords and variables whose numbers are no data of the problem."""

TIME = re.compile(
    r"\b\d{1,2}[:.]\d\d\b|\b\d{1,2} ?(?:am|pm|o'clock)\b|\b(?:in|since|by) (?:19|20)\d\d\b", re.IGNORECASE
)
"""Times of day and years, which a limit may name without being one."""

CLOCK = (24.0, 60.0, 3600.0)
"""Numbers that turn hours into other times, whatever the question says."""

SMALL_NUMBER = 10
"""Numbers below this are everywhere in code; their presence or absence is no evidence."""


def missing_constraint(evidence: Evidence) -> Iterator[Finding]:
    """Data that a program names and never uses, or a limit in the question whose number it lacks.

    Once a program has them all, another may well look at less.
    """
    for turn in evidence.turns:
        code = turn.code
        if code is None or turn.block is None or not code.complete:
            continue
        at = turn.block - turn.start
        lacking = _lacking_limits(evidence, turn, code)
        unstated = [(value, clause) for value, clause in lacking if not _states(turn.prose, value)]
        if unused := _unused_data(code, evidence.numbers):
            yield finding("missing_constraint", turn, at, f"{unused} is set and never used")
        elif unstated:
            said = f'no {unstated[0][0]:g} in the program, but "{unstated[0][1]}" in the question'
            yield finding("missing_constraint", turn, at, said)
        elif LIMIT.search(evidence.question) and not _constrains(code):
            yield finding("missing_constraint", turn, at, "the program has no constraint at all")
        elif not lacking:
            return


def misread_number(evidence: Evidence) -> Iterator[Finding]:
    """A number in the program that is one slip away from one in the question that the program lacks; a limit that the
    model states as a formula, and whose number the program lacks."""
    whole = False
    for turn in evidence.turns:
        code = turn.code
        if code is None or turn.block is None or not code.complete:
            continue
        at = turn.block - turn.start
        for wrong, right in _slips(evidence, turn, code):
            yield finding("misread_number", turn, at, f"{wrong:g} is not in the question, {right:g} is")
        lacking = _lacking_limits(evidence, turn, code)
        whole = whole or not lacking
        for value, _ in lacking:
            if not whole and _states(turn.prose, value):
                yield finding("misread_number", turn, at, f"{value:g} is in the stated model and not in the program")


def _constrains(code: Code) -> bool:
    """Whether a program adds any constraint, in whatever way."""
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
        or any(isinstance(node, ast.Compare) and id(node) not in tests for node in ast.walk(code.tree))
    )


def _unused_data(code: Code, question: Counter[float]) -> str | None:
    """A name that holds numbers of the question which stand nowhere else, and is never read."""
    for node in code.tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name not in code.loaded and name != "_":
                held = Counter(number for part in ast.walk(value) if (number := literal(part)) is not None)
                plain = isinstance(value, (ast.List, ast.Tuple, ast.Dict, ast.Constant))
                if plain and any(n >= SMALL_NUMBER and n in question and held[n] == code.numbers[n] for n in held):
                    return name
    return None


def _lacking_limits(evidence: Evidence, turn: Turn, code: Code) -> list[tuple[float, str]]:
    """Numbers in clauses that state a limit, at least 10, which the program does not hold, nor what comes of them."""
    slipped = {right for _, right in _slips(evidence, turn, code)}
    factors = _factors(evidence)
    own = [n for n in _data(code) if n > 2 and n not in evidence.numbers and not _round(n)]
    used = {value for *values, result in worked(turn.prose) if result in code.numbers for value in values}
    return [
        (value, clause)
        for clause in _limits(evidence.question)
        for value, _ in numbers_in(TIME.sub(" ", clause))
        if value >= SMALL_NUMBER
        and not _held(value, code, evidence.question)
        and value not in slipped | used
        and not any(_leads(value, number, factors) or abs(value - number) in evidence.numbers for number in own)
    ]


def _states(prose: str, value: float) -> bool:
    """Whether the prose has a formula with this number on its right."""
    return any(
        found[0] == value
        for line in re.findall(r"[=≤≥<>]\s*(-?[$€£]?[\d.,]+)", prose)
        if (found := [n for n, _ in numbers_in(line)])
    )


def _limits(question: str) -> Iterator[str]:
    """The clauses that state a limit; one that begins with a number goes on with the limit before it ("at least 3, 4
    and 5")."""
    for sentence in re.split(r"(?<=[.?!])\s", question):
        limit = False
        for clause in re.split(r"(?<!\d)[,;]|[,;](?!\d)|\band\b", sentence):
            limit = bool(LIMIT.search(clause)) or (limit and re.match(r"\s*[$€£]?\d", clause) is not None)
            if limit:
                yield clause.strip()


def _held(value: float, code: Code, question: str) -> int:
    """How often a program holds a number of the question, as it stands or, for a percentage, as a fraction."""
    scales = [1.0]
    if re.search(rf"(?<![\d.]){value:g} ?(?:%|percent)", question):
        scales.append(0.01)
    elif value < 1:
        scales.append(100.0)
    near = [value * scale for scale in scales]
    return sum(count for held, count in code.numbers.items() if any(math.isclose(held, n) for n in near))


def _slips(evidence: Evidence, turn: Turn, code: Code) -> list[tuple[float, float]]:
    """Pairs (number in the program, number in the question) one slip apart.

    The first is neither in the question nor worked out or printed before, the second less often in the program than in
    the question.
    """
    factors = _factors(evidence)
    lacking = [
        n for n in evidence.numbers if n >= SMALL_NUMBER and _held(n, code, evidence.question) < evidence.numbers[n]
    ]
    known = {*evidence.numbers, *number_words(evidence.question), *CLOCK, *evidence.printed_before(turn)}
    known |= {values[-1] for values in worked(turn.prose)}
    # Two numbers that are both gone may have become one.
    known |= {one + other for one, other in combinations(lacking, 2)}
    strange = [
        n
        for n in _data(code)
        if n >= SMALL_NUMBER
        and n not in known
        and not _round(n)
        and not any(_leads(given, n, factors) for given in evidence.numbers)
    ]
    return [
        (wrong, right)
        for wrong in sorted(strange)
        for right in sorted(lacking)
        if _one_slip(wrong, right) and not (abs(wrong - right) == 1 and _strict(evidence.question, right))
    ]


def _strict(question: str, value: float) -> bool:
    """Whether the question has "fewer than" this number, or the like; a program then has its neighbour."""
    words = r"(?:fewer|less|more|greater|below|under|over|above|before|after|within)"
    return any(
        number == value and re.search(rf"\b{words}(?: than)? [$€£]?$", question[:at])
        for number, at in numbers_in(question)
    )


def _factors(evidence: Evidence) -> frozenset[float]:
    """What the numbers of this question may be multiplied by or divided by, as `_key` gives it."""
    known = {*evidence.numbers, *number_words(evidence.question), *unit_factors(evidence.question)}
    return frozenset(map(_key, known))


def _leads(given: float, reached: float, factors: frozenset[float]) -> bool:
    """Whether `reached` is `given` times, by or into one of the factors, or `given` without its decimal point.

    Small numbers come to anything; one of the two has to be large.
    """
    if not given or not reached:
        return False
    scales = (10, 100, 1000) if given != int(given) else (100, 1000)
    if any(math.isclose(given * scale, reached) for scale in scales):
        return True
    ways = map(_key, (reached / given, given / reached, reached * given))
    return any(factor in factors and factor != 1 and max(given, factor) >= SMALL_NUMBER for factor in ways)


def _key(value: float) -> float:
    """A number without what rounding did to it."""
    return float(f"{value:.9g}")


def _data(code: Code) -> set[float]:
    """The numbers of a program that can be data: not those in calls and keywords that set up a solver or a loop."""
    settings: set[int] = set()
    for node in ast.walk(code.tree):
        if isinstance(node, ast.keyword) and node.arg and SETTING.search(node.arg):
            settings |= {id(part) for part in ast.walk(node.value)}
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if SETTING.search(name):
                settings |= {id(part) for argument in node.args for part in ast.walk(argument)}
        elif isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and SETTING.search(t.id) for t in node.targets
        ):
            settings |= {id(part) for part in ast.walk(node.value)}
    walked = (node for node in ast.walk(code.tree) if id(node) not in settings)
    return {value for node in walked if (value := literal(node)) is not None}


def _round(value: float) -> bool:
    """Powers of ten: scales, big numbers, percentages."""
    return f"{value:.0f}".rstrip("0") == "1" and value == int(value)


def _one_slip(first: float, second: float) -> bool:
    """Whether two numbers' spellings differ by one digit changed, dropped or doubled, or by two neighbours swapped."""
    a, b = f"{first:g}", f"{second:g}"
    if len(a) == len(b):
        differing = [i for i in range(len(a)) if a[i] != b[i]]
        swapped = len(differing) == 2 and differing[1] == differing[0] + 1
        return len(differing) == 1 or (
            swapped and a[differing[0]] == b[differing[1]] and a[differing[1]] == b[differing[0]]
        )
    longer, shorter = (a, b) if len(a) > len(b) else (b, a)
    return len(longer) == len(shorter) + 1 and any(longer[:i] + longer[i + 1 :] == shorter for i in range(len(longer)))
