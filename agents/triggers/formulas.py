"""Triggers 4, 5 and 7 in the model's formulas: the sense in words, and limits turned around in prose or program."""

import re
from collections.abc import Iterator

from storm_calm.agents.triggers.arithmetic import EQUATION, key, number_words, unit_factors
from storm_calm.agents.triggers.data_use import CLOCK, SMALL_NUMBER
from storm_calm.agents.triggers.evidence import Evidence, sentence_start
from storm_calm.agents.triggers.formula_patterns import COMPARISON, FORMULA_END
from storm_calm.agents.triggers.limit_directions import formula_limits, program_limits, stated_limits
from storm_calm.agents.triggers.modelling import wanted_sense
from storm_calm.agents.triggers.names import finding
from storm_calm.env.intervention import Finding

SENSE_WORD = re.compile(r"\b(?P<max>maximi[sz])|\b(?P<min>minimi[sz])", re.IGNORECASE)
NEGATIVE = re.compile(
    r"\bnegativ|\bnegat(?:e|ing)\b|\bsign\b|\bby default\b|\bminimi[sz]er\b|\bonly minimi[sz]es\b", re.I
)
"""Words for a maximum that is written as the minimum of the negative."""

HAS_VARIABLE = re.compile(r"(?<![A-Za-z\\])[A-Za-z](?:_\{?\w{1,12}\}?)?(?![A-Za-z])[^\n]{0,50}$")
"""A variable of one letter on the left side of a formula."""

_VARIABLE = r"[A-Za-z](?:_\{?\w{1,12}\}?)?"
SUM = re.compile(r"[A-Za-z}][\w}]{0,30}\s?\+\s?[^\n+=<>]{1,60}$")
"""A sum with a variable."""

COMPARED = re.compile(
    rf"(?:\\\(|\$|\\\[|:|^)\s*(?P<left>{_VARIABLE})\s{{0,3}}{COMPARISON}\s{{0,3}}(?P<right>{_VARIABLE}){FORMULA_END}",
    re.MULTILINE,
)
"""Two variables compared with each other."""
COMPARING = re.compile(
    r"\bthan\b|\btimes\b|\btwice\b|\bdouble|\btriple|\bhalf\b|\bthird|\bquarter|\bfraction|%|\bper ?cent|\bratio\b"
    r"|\bshare\b|\bexceed|\bequal|\bsame\b|\bbalance|\bas (?:many|much)\b|\bif\b|\bunless\b|\bwhen|\bopen"
    r"|\brequires?\b|\bbefore\b|\bafter\b",
    re.IGNORECASE,
)
"""Words of a question that compare quantities, or make one depend on another."""

MAX_NUMBERS = 60
"""Different numbers in a question up to which all pairs of them are tried."""

MAX_CHARS = 20_000
"""Characters of a turn that are searched."""


def sense_in_words(evidence: Evidence) -> Iterator[Finding]:
    """Find prose that names only the sense that the question does not ask for, before any result."""
    wanted = wanted_sense(evidence.question)
    for turn in evidence.turns[:1]:
        prose = turn.prose[:MAX_CHARS]
        words = list(SENSE_WORD.finditer(prose))
        senses = {"maximize" if word["max"] else "minimize" for word in words}
        if wanted is not None and words and wanted not in senses and not NEGATIVE.search(prose):
            at = sentence_start(turn.text, words[0].start())
            yield finding("sense_in_words", turn, at, f"the question asks to {wanted}, the text to {senses.pop()}")


def turned_limit(evidence: Evidence) -> Iterator[Finding]:
    """Find formulas before the first result whose limit has the other direction than in the question."""
    stated = stated_limits(evidence.question)
    for turn in evidence.turns:
        if evidence.result_before(turn):
            return
        found = list(formula_limits(turn.prose))
        right = {value for value, direction, _ in found if stated.get(value) == direction}
        for value, direction, at in found:
            # "= 40" is a limit if a sum is on the left side, and else the value of a variable.
            equation = direction == "=" and not SUM.search(turn.prose[max(0, at - 80) : at])
            if value in stated and value not in right and not equation:
                shown = f"{direction} {value:g}, but the question has {stated[value]} {value:g}"
                yield finding("turned_limit", turn, sentence_start(turn.text, at), shown)
                break


def invented_limit(evidence: Evidence) -> Iterator[Finding]:
    """Find formulas in the first turn with a limit that the question does not have.

    That is a number which neither is one of the question nor follows from two, or a comparison of two variables.
    """
    if not evidence.turns or not evidence.numbers or len(evidence.numbers) > MAX_NUMBERS:
        return
    turn = evidence.turns[0]
    compared = COMPARED.search(turn.prose[:MAX_CHARS])
    if compared and compared["left"] != compared["right"] and not COMPARING.search(evidence.question[:MAX_CHARS]):
        shown = f"{compared[0].strip()}, but the question compares nothing"
        yield finding("invented_limit", turn, sentence_start(turn.text, compared.start("left")), shown)
    known = _known(evidence)
    worked_out = EQUATION.search(turn.prose)
    for value, direction, at in formula_limits(turn.prose):
        if worked_out and worked_out.start() < at:
            return
        if (
            direction != "="
            and value >= SMALL_NUMBER
            and key(value) not in known
            and HAS_VARIABLE.search(turn.prose[max(0, at - 60) : at])
        ):
            shown = f"{direction} {value:g}, which is not in the question"
            yield finding("invented_limit", turn, sentence_start(turn.text, at), shown)
            return


def _known(evidence: Evidence) -> set[float]:
    """Return the numbers of the question, and those that follow from one or two of them."""
    given = {*evidence.numbers, *number_words(evidence.question)}
    scales = {*unit_factors(evidence.question), *CLOCK, 100.0, 1000.0}
    known = given | {one * factor for one in given for factor in scales}
    known |= {one / factor for one in given for factor in scales}
    known |= {100 - one for one in given} | {1 - one / 100 for one in given}
    for one in given:
        for other in given:
            known |= {one + other, abs(one - other), one * other, one * other / 100, one * (1 - other / 100)}
            known |= {one / other} if other else set()
    return set(map(key, known))


def turned_in_program(evidence: Evidence) -> Iterator[Finding]:
    """Find programs whose limit has the other direction than in the question, unless a later program turns it back."""
    stated = stated_limits(evidence.question)
    if not stated:
        return
    programs = [(turn, at, list(program_limits(code))) for turn, code, at in evidence.programs()]
    right = {value for _, _, found in programs for value, direction in found if stated.get(value) == direction}
    for turn, at, found in programs:
        for value, direction in found:
            if value in stated and value not in right:
                shown = f"{direction} {value:g}, but the question has {stated[value]} {value:g}"
                yield finding("turned_in_program", turn, at, shown)
                break
