"""Triggers 1 and 2, distrust of code: manual computation, fragmented code and imagined output."""

import ast
import re
from collections.abc import Iterator

from storm_calm.agents.triggers.arithmetic import EQUATION
from storm_calm.agents.triggers.evidence import Code, Evidence, numbers_in, sentence_start
from storm_calm.agents.triggers.names import finding
from storm_calm.env.intervention import Finding

BY_HAND = re.compile(
    r"\b(?:by hand|manually|in my head|mentally|with pen and paper|without (?:any |writing )?(?:code|a program))\b",
    re.IGNORECASE,
)
WOULD_PRINT = re.compile(
    r"\b(?:(?:program|code|script|solver|model)\b[^.\n]{0,40}\b(?:would|should|will)"
    r"(?: \w+)? (?:print|output|return|give|show|yield)"
    r"|output (?:would|should|will)(?: \w+)? be"
    r"|expect (?:it|this|that|the (?:program|code|script|solver|model)) to print"
    r"|(?:it|this|that)(?:'d| would| should| will)(?: \w+)? (?:print|output|display))\b",
    re.IGNORECASE,
)
REFUSAL = re.compile(
    r"(?:\b(?:not|never|instead of|rather than|avoid|stop|could|would|hard|difficult|tempt\w*|than)\b|n't\b)"
    r"[^.\n]{0,40}$",
    re.IGNORECASE,
)
DISMISSAL = re.compile(
    r"^ (?:is|would be|seems|gets)\b"
    r"|\b(?:but|however|instead|better|too (?:many|much|long|slow)|unreliable|error|tedious|hard|risky)\b"
    r"|(?<!need to )\b(?:write|use|run)\b[^.\n]{0,40}\b(?:program|code|python|solver|script)\b",
    re.IGNORECASE,
)
"""Words after a mention of manual work that reject it."""
CONDITION = re.compile(
    r"\b(?:if(?! (?:I|we) (?:ran|run|were to run|wrote|executed))|when|unless|otherwise|in case|whether|until|once)\b",
    re.IGNORECASE,
)
"""Words that make a mention of printing conditional. "if I ran it" does not count: it imagines a run."""
COUNTED = re.compile(
    r"\d[\d,]* (?:\w+ )?(?:lines|rows|values|numbers|columns|entries|variables|constraints|digits|places|times)\b",
    re.IGNORECASE,
)
"""Numbers that count the printed things and are not results."""
ROUGHLY = re.compile(r"\b(?:about|around|roughly|approximately|something like)\b|[:=≈]", re.IGNORECASE)

PRODUCT = re.compile(r"(?<![\w.])\d{1,9}(?:\.\d{1,9})?\s?(?:\\times\s?|\\cdot\s?)?\(\s?\d{1,9}(?:\.\d{1,9})?\s?\)")
"""A product as it is written in formulas, such as 5(50)."""
ALGEBRA = re.compile(
    r"\bsubstitut(?:e|ing)\b"
    r"|\bsolv(?:e|ing) (?:for \\?\(?\s?[a-z]\b|(?:the|this|these) (?:\w+ )?(?:in)?(?:equalit|equation))"
    r"|\bsimplif(?:y|ies|ying)\b|\brearrang(?:e|ing)\b|\bcorner points?\b|\bvertices\b|\bgraphical(?:ly)?\b"
    r"|\btrial and error\b|\bmultiply both\b|\bboth sides\b",
    re.IGNORECASE,
)
"""Words for solving a model in prose."""

EQUATIONS = 3
"""Equations in a turn without a program that count as manual computation."""
EQUATIONS_BEFORE_CODE = 6
"""The same for a turn that ends with a program: reading the data takes a few."""


def by_hand(evidence: Evidence) -> Iterator[Finding]:
    """Find numbers worked out in prose, and an answer or an end without any program.

    Arithmetic after a program gave a result is a check of it and does not count.
    """
    for turn in evidence.turns:
        if evidence.result_before(turn):
            break
        equations = list(EQUATION.finditer(turn.prose))
        enough = EQUATIONS if turn.source is None else EQUATIONS_BEFORE_CODE
        if found := _first_intent(turn.prose):
            yield finding("by_hand", turn, sentence_start(turn.text, found.start()), found[0])
        elif len(equations) >= enough:
            yield finding("by_hand", turn, sentence_start(turn.text, equations[0].start()), equations[0][0])
        products = list(PRODUCT.finditer(turn.prose))
        if not found and len(equations) < enough and len(products) >= EQUATIONS_BEFORE_CODE:
            yield finding("by_hand", turn, _start_of_work(turn.text, products[0].start()), products[0][0])
    if evidence.answer is not None and evidence.last_execution is None:
        turn = evidence.turns[-1]
        at = _start_of_work(turn.text, max(0, turn.text.find("</think>")))
        yield finding("by_hand", turn, at, f"answered {evidence.answer.text} without running a program", 0.9)
    elif evidence.stop == "malformed" and evidence.turns and all(turn.source is None for turn in evidence.turns):
        yield finding("by_hand", evidence.turns[-1], 0, "ended without a program")


def fragment(evidence: Evidence) -> Iterator[Finding]:
    """Find blocks that neither solve nor print, and answers whose programs only do arithmetic."""
    programs = list(evidence.programs())
    for turn, code, at in programs:
        if not code.solves and not code.prints:
            yield finding("fragment", turn, at, "the block solves nothing and prints nothing")
    if evidence.answer is not None and programs and not any(_searches(code) for _, code, _ in programs):
        turn, _, at = programs[0]
        yield finding("fragment", turn, at, "no program solves a model or tries values, they only do arithmetic")


def _searches(code: Code) -> bool:
    """Return whether a program solves a model, or may try values: it has a loop, a function or a call of a library."""
    kinds = (ast.For, ast.While, ast.comprehension, ast.FunctionDef, ast.Lambda)
    return code.solves or any(isinstance(node, kinds) for node in ast.walk(code.tree)) or _imports(code)


def _imports(code: Code) -> bool:
    names = [alias.name for node in code.nodes(ast.Import) for alias in node.names]
    return bool({*names, *(str(node.module) for node in code.nodes(ast.ImportFrom))} - {"math"})


def imagined_output(evidence: Evidence) -> Iterator[Finding]:
    """Find predictions of the numbers that a program would print, from the first mention of printing on."""
    for turn in evidence.turns:
        mentions = [found for found in WOULD_PRINT.finditer(turn.prose) if _imagines(turn.prose, found)]
        with_numbers = [found for found in mentions if _has_result(_rest_of_sentence(turn.prose, found))]
        if with_numbers:
            at = sentence_start(turn.text, mentions[0].start())
            first = with_numbers[0]
            yield finding("imagined_output", turn, at, f"{first[0]}{_rest_of_sentence(turn.prose, first)}"[:80])


def _start_of_work(text: str, otherwise: int) -> int:
    """Return the offset of the sentence in which a model is first solved in prose."""
    found = [match.start() for pattern in (ALGEBRA, EQUATION) if (match := pattern.search(text))]
    return sentence_start(text, min(found)) if found else otherwise


def _imagines(text: str, found: re.Match[str]) -> bool:
    """Return whether a mention of printing is neither rejected nor conditional."""
    before = text[max(sentence_start(text, found.start()), found.start() - 200) : found.start()]
    sentence = before + _rest_of_sentence(text, found)
    return not REFUSAL.search(before) and not CONDITION.search(sentence)


def _rest_of_sentence(text: str, found: re.Match[str]) -> str:
    return re.split(r"[.!?]\s", text[found.end() : found.end() + 120])[0]


def _has_result(text: str) -> bool:
    """Return whether a number in the text may be a result; a small integer alone may count the printed things."""
    text = COUNTED.sub(" ", text)
    return any(value >= 10 or value != int(value) or ROUGHLY.search(text) for value, _ in numbers_in(text))


def _first_intent(text: str) -> re.Match[str] | None:
    """Return the first mention of manual work that is not rejected before it, in its sentence or in the next one."""
    for found in BY_HAND.finditer(text):
        here, *later = re.split(r"(?<=[.!?])\s+|\n+", text[found.end() : found.end() + 400], maxsplit=2)
        refused = REFUSAL.search(text[max(0, found.start() - 80) : found.start()])
        if not refused and not any(map(DISMISSAL.search, [here, *later[:1]])):
            return found
    return None
