"""Triggers 4 and 6, lack of expertise: sense and data of the model, and the type of its variables.

Each rule compares words of the question with the program's syntax tree. No rule knows the problem families.
"""

import ast
import re
from collections.abc import Iterator

from storm_calm.agents.triggers.data_use import SMALL_NUMBER, data_numbers
from storm_calm.agents.triggers.evidence import Code, Evidence, Turn
from storm_calm.agents.triggers.file_numbers import in_files
from storm_calm.agents.triggers.names import finding
from storm_calm.agents.triggers.programmed_sense import programmed_senses
from storm_calm.env.intervention import Finding

LARGE = re.compile(
    r"\bmaxim|\bgreatest\b|\bhighest\b|\blargest\b|\bbiggest\b|\bhow (?:large|high|big)\b"
    r"|\bhow (?:much|many)\b[^.?]*\bat most\b(?=\s*[.?])",
    re.IGNORECASE,
)
SMALL = re.compile(
    r"\bminim|\bleast\b|\blowest\b|\bcheapest?\b|\bfewest\b|\bsmallest\b|\bshortest\b"
    r"|\bhow (?:few|cheaply|soon|little)\b",
    re.IGNORECASE,
)
BOUND = re.compile(r"\bat (?:the )?(?:least|most)\b(?!\s*[.?!])", re.IGNORECASE)
"""A bound and not a sense, unless it ends the sentence."""
VERB = re.compile(r"\b(?:maximi[sz]|minimi[sz])", re.IGNORECASE)

WHOLE = re.compile(
    r"\bwhole (?:units|numbers?|amounts?|items|pieces|shelves|boxes|acres|trucks|machines)\b"
    r"|\binteger|\b(?:cannot|can ?not|can't) be (?:split|divided)\b"
    r"|\bindivisible\b|\bnone of\b[^.]*\bcan be split\b|\beither\b[^.]*\bor (?:not|left)\b|\bat most once\b"
    r"|\bor not at all\b|\b(?:nothing|none|cannot|can't)\b[^.]{0,30}\bin part\b"
    r"|\bmay open\b|\bOpening [^.]{0,20}\bcosts\b",
    re.IGNORECASE,
)
FRACTIONAL = re.compile(
    r"\bfraction(?:al|s)?\b(?! of\b)|\bany (?:fraction|amount)\b|\bcontinuous (?:quantit|amount|variable|value)",
    re.IGNORECASE,
)
DENIAL = re.compile(r"\b(?:no|not|never|cannot|nor|neither|need not)\b|n't\b", re.IGNORECASE)
WITHOUT = re.compile(r"\bwithout (?:\w+ ){0,2}$", re.IGNORECASE)
"""A denial of only the words after it: "materials without a limit can be bought in any amount" allows fractions."""
RELAXING = re.compile(
    r"\brelax|\bunimodular|\bintegral(?:ity)?\b|\bLP (?:is|will be) enough"
    r"|\b(?:automatically|naturally|always|anyway|by itself)\b[^.\n]{0,40}\b(?:integers?|whole)\b"
    r"|\b(?:integers?|whole)\b[^.\n]{0,40}\b(?:automatically|naturally|anyway|by itself)\b",
    re.IGNORECASE,
)
"""Words for an integer problem that is relaxed on purpose."""

MUCH_DATA = 12
"""Different numbers in a question from which on a model needs most of them."""

INTEGER_WORDS = {
    "IntVar", "BoolVar", "NewIntVar", "NewBoolVar", "new_int_var", "new_bool_var", "LpInteger", "LpBinary", "Integer",
    "Binary", "integer", "boolean", "integrality", "INTEGER", "BINARY", "Integers", "NonNegativeIntegers", "Boolean",
    "PositiveIntegers", "addBinary", "addBinaries", "addIntegral", "addIntegrals", "changeColIntegrality",
    "add_binary_variable", "add_integer_variable", "kInteger", "SetInteger",
}  # fmt: skip
CONTINUOUS_WORDS = {
    "NumVar", "LpVariable", "Variable", "Continuous", "CONTINUOUS", "add_variable", "addVariable", "linprog", "Reals",
    "NonNegativeReals", "addVar", "Var",
}  # fmt: skip


def left_out_data(evidence: Evidence) -> Iterator[Finding]:
    """Find programs with less than half as many different numbers as the question, before any result with more.

    Such a model has variables for something else than what the question chooses. Numbers below 10 do not count, since
    they may be labels.
    """
    large = {number for number in evidence.numbers if number >= SMALL_NUMBER}
    for turn, code, at in evidence.programs():
        stated = {number for number in large if not in_files(evidence, code, number)}
        if len(stated) < MUCH_DATA or not code.complete:
            continue
        used = {number for number in data_numbers(code) | code.text_numbers if number >= SMALL_NUMBER}
        if len(used) * 2 >= len(stated):
            return
        yield finding("left_out_data", turn, at, f"{len(used)} numbers in the program, {len(stated)} in the question")


def wrong_sense(evidence: Evidence) -> Iterator[Finding]:
    """Find programs that minimize if the question asks for a maximum, or the reverse.

    Programs after one with the right sense may optimize in either direction.
    """
    wanted = wanted_sense(evidence.question)
    for turn, code, at in evidence.programs():
        if wanted is None or code.undefined:
            continue
        senses = programmed_senses(code)
        if wanted in senses:
            return
        if len(senses) == 1:
            yield finding("wrong_sense", turn, at, f"the question asks to {wanted}, the program to {senses.pop()}")


def wanted_sense(question: str) -> str | None:
    """Return "maximize" or "minimize" by the last sentence, else by the verbs, else by all words; None if ambiguous."""
    last = re.split(r"(?<=[.?!])\s+", question.strip())[-1]
    verbs = " ".join(found[0] for found in VERB.finditer(question))
    for text in (last, verbs, question):
        large = bool(LARGE.search(text))
        small = bool(SMALL.search(BOUND.sub(" ", text)))
        if large != small:
            return "maximize" if large else "minimize"
    return None


def wrong_type(evidence: Evidence) -> Iterator[Finding]:
    """Find programs with only continuous variables for integer amounts, or only integer variables for fractional ones.

    Programs after one with the right types may relax them, and a relaxation that the prose announces does not count.
    """
    whole, fractional = stated_types(evidence.question)
    if whole == fractional:
        return
    for turn, code, at in evidence.programs():
        if not code.complete or (whole and RELAXING.search(turn.text)):
            continue
        integer, continuous = _variable_types(turn, code)
        if whole and ((continuous and not integer) or _relaxes_binaries(code)):
            yield finding("wrong_type", turn, at, "the question asks for whole amounts")
        elif fractional and integer and not continuous:
            yield finding("wrong_type", turn, at, "the question allows fractions")
        else:
            return


def _variable_types(turn: Turn, code: Code) -> tuple[bool, bool]:
    """Return whether there are integer and continuous variables: in the last model that was solved, else by words."""
    reports = turn.execution.reports if turn.execution else ()
    if reports and (reports[-1].continuous or reports[-1].integer or reports[-1].binary):
        return reports[-1].integer + reports[-1].binary > 0, reports[-1].continuous > 0
    return _declares_integers(code), bool(code.words & CONTINUOUS_WORDS)


def stated_types(question: str) -> tuple[bool, bool]:
    """Return whether a question asks for whole amounts and whether it allows fractions; "no fractions" means whole."""
    whole = fractional = False
    for sentence in re.split(r"(?<=[.?!;])\s+", question):
        if allowed := FRACTIONAL.search(sentence):
            denied = bool(DENIAL.search(sentence) or WITHOUT.search(sentence[: allowed.start()]))
            whole, fractional = whole or denied, fractional or not denied
        if found := WHOLE.search(sentence):
            free = re.search(
                r"\b(?:need not|not (?:need|have) to|not necessarily|n't (?:need|have) to)\b", sentence[: found.start()]
            )
            whole, fractional = whole or not free, fractional or bool(free)
    return whole, fractional


def _declares_integers(code: Code) -> bool:
    types = [keyword.value for keyword in code.nodes(ast.keyword) if keyword.arg in ("vtype", "cat")]
    return bool(code.words & INTEGER_WORDS) or any(
        isinstance(value, ast.Constant) and str(value.value).upper().startswith(("I", "B")) for value in types
    )


def _relaxes_binaries(code: Code) -> bool:
    """Return whether a continuous variable has the bounds 0 and 1, as a relaxed binary decision has."""
    return any(
        isinstance(call.func, ast.Attribute)
        and call.func.attr == "NumVar"
        and [bound.value for bound in call.args[:2] if isinstance(bound, ast.Constant)] == [0, 1]
        for call in code.nodes(ast.Call)
    )
