"""Triggers 5 and 6 by the plan that a program found, instead of its text: separate rounds, fractions of whole things.

They need records of the solves (`env.plans.record`), so they fire after the program ran.
"""

import re
from collections.abc import Iterator

from storm_calm.agents.triggers.evidence import Evidence, Turn
from storm_calm.agents.triggers.modelling import RELAXING, stated_types
from storm_calm.agents.triggers.names import finding
from storm_calm.env.intervention import Finding
from storm_calm.env.plans.record import LinearModel, RecordedSolve, record_of

FRACTION = 1e-3
"""Distance to a whole number from which on a value is a fraction."""
DIVISIBLE = re.compile(
    r"\b(?:hours?|minutes?|days?|weeks?|months?|kilo\w*|kg|grams?|tons?|tonnes?|pounds?|ounces?|lit(?:er|re)s?|gallons?"
    r"|barrels?|met(?:er|re)s?|kilomet\w+|miles?|feet|foot|yards?|acres?|hectares?|square|cubic|dollars?|euros?|cents?"
    r"|units?|much|percent\w*|amount|quantit\w+|megawatts?|kilowatts?|mwh|kwh|ml|cups?|bushels?|tonnage|money)\b",
    re.IGNORECASE,
)
"""Words for things that can be divided."""
COUNTED = re.compile(
    r"(?<![.,\d])\d{1,6} (?:(?!of\b)[a-z]+ ){0,2}?([a-z]{3,20}s)\b|\bnumber of (?:[a-z]+ )??([a-z]{3,20}s)\b"
)
"""A counted thing: "10 blue trucks", "the number of short missions"."""
ROUNDED = re.compile(r"\bround(?:ed|ing)?\b[^.\n]{0,20}\b(?:up|down)\b|\bnext whole\b|\bwhole number\b", re.IGNORECASE)
TOUR = re.compile(
    r"\bround[- ]trips?\b|\btours?\b|\b(?:returns?|comes? back|goes back|drives? back|flies back)\b", re.IGNORECASE
)
ARC = re.compile(r"([A-Za-z0-9]{1,40})[^A-Za-z0-9]{1,6}([A-Za-z0-9]{1,40})[^A-Za-z0-9]{0,3}$")
"""The two ends of an arc in the name of its variable: x_0_3, go[A,B], or arc_('A',_'B')."""
MIN_PLACES = 4
"""Places of a tour from which on arcs are taken for one."""


def fractional_plan(evidence: Evidence) -> Iterator[Finding]:
    """Find plans with fractions of things that are counted, or that are rounded afterwards.

    A thing is counted if the question has a number of them, and the variable their name: "10 blue trucks", blue_trucks.
    """
    _, fractional = stated_types(evidence.question)
    if fractional:
        return
    counts = (found for found in COUNTED.finditer(evidence.question) if not DIVISIBLE.search(found[0]))
    words = {found[1] or found[2] for found in counts}
    for turn, code, at in evidence.programs():
        solve = _last_solve(turn)
        if solve is None or not isinstance(solve.model, LinearModel) or RELAXING.search(turn.text):
            continue
        broken = _fractions(solve, solve.model)
        if not broken:
            continue
        counted = next((one for one in broken if words & set(_name_words(solve.variable(one)))), None)
        after = next((later.prose for later in evidence.turns if later.start > turn.start), "")
        if counted is not None:
            shown = f"{solve.variable(counted)} is {solve.values[counted]:.4g}" if solve.values else ""
            yield finding("fractional_plan", turn, at, f"{shown} in the plan")
        elif not solve.model.integer and (code.calls & {"ceil", "floor"} or ROUNDED.search(after)):
            yield finding("fractional_plan", turn, at, "the plan has fractions and is rounded afterwards")


def subtours(evidence: Evidence) -> Iterator[Finding]:
    """Find plans of a round trip that consist of several separate rounds."""
    if not TOUR.search(evidence.question):
        return
    for turn, _, at in evidence.programs():
        solve = _last_solve(turn)
        rounds = _rounds(solve) if solve is not None else 0
        if rounds > 1:
            yield finding("subtours", turn, at, f"the plan has {rounds} separate rounds instead of one")


def _fractions(solve: RecordedSolve, model: LinearModel) -> list[int]:
    """Return the continuous variables of an optimal plan that are not whole."""
    if solve.report.status != "optimal" or solve.values is None:
        return []
    integer = set(model.integer)
    values = enumerate(solve.values)
    return [number for number, value in values if number not in integer and abs(value - round(value)) > FRACTION]


def _name_words(name: str) -> list[str]:
    """Return the words of a variable's name, each also in the plural."""
    words = [word.lower() for word in re.findall(r"[A-Za-z][a-z]+", name)]
    return [*words, *(f"{word}s" for word in words)]


def _rounds(solve: RecordedSolve) -> int:
    """Return the number of rounds that the chosen arcs form; 0 if they do not lead once into and out of each place."""
    if solve.values is None:
        return 0
    following: dict[str, str] = {}
    for number, value in enumerate(solve.values):
        ends = ARC.search(solve.variable(number))
        if abs(value - 1) > FRACTION or ends is None or ends[1] == ends[2]:
            continue
        if ends[1] in following:
            return 0
        following[ends[1]] = ends[2]
    if len(following) < MIN_PLACES or set(following) != set(following.values()):
        return 0
    rounds, left = 0, dict(following)
    while left:
        rounds += 1
        place = next(iter(left))
        while place in left:
            place = left.pop(place)
    return rounds


def _last_solve(turn: Turn) -> RecordedSolve | None:
    run = turn.execution
    if run is None or run.status != "ok" or not run.reports or not run.solve_records:
        return None
    return record_of(run, run.reports[-1])
