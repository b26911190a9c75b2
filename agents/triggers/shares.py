"""Trigger 5: a share of a total that became a share of one other part, or that bounds the total itself.

    stated_shares("At most 40% of the vehicles can be cars.")    # {0.4}: right is y <= 0.4 * (x + y), not y <= 0.4 * x

A number times one variable is right if the variable is the total, so names of totals and names that are defined as sums
are left out, and so are questions that compare two parts ("30% of the number of canoes", "of the hours given to Ann").
"""

import ast
import re
from collections.abc import Iterator

from storm_calm.agents.triggers.evidence import Code, Evidence, sentence_start
from storm_calm.agents.triggers.formula_patterns import COMPARISON, FORMULA_END
from storm_calm.agents.triggers.names import finding
from storm_calm.env.intervention import Finding

MAX_CHARS = 20_000
"""Characters of a text that are searched."""

FRACTIONS = {"half": 0.5, "third": 1 / 3, "quarter": 0.25}
SHARE = re.compile(
    r"\b(?:at least|at most|not? (?:more|less|fewer) than|up to|(?:minimum|maximum) of|(?:must not|cannot) exceed)\s+"
    r"(?:(?P<percent>\d{1,2}(?:\.\d+)?)\s?(?:%|percent|per cent)|(?:an?\s|one[\s-])?(?P<fraction>half|third|quarter))"
    r"\s+of\s+(?!(?:the\s+)?(?:number|amount|quantity|sum)s?\s+of\b)"
    r"(?!(?:the\s+)?(?:[a-z-]{1,20}\s+){1,3}(?:assigned|allocated|given)\s+to\b)(?=[a-z])",
    re.IGNORECASE,
)
_NAME = r"(?:\\text\{[A-Za-z_ ]{1,40}\}|(?<![A-Za-z\\])[A-Za-z](?:_\{?\w{1,20}\}?)?(?![A-Za-z]))"
_TIMES = r"(?:\\cdot|\\times|\*|×|·|\s)*"
FORMULA = re.compile(
    rf"(?P<part>{_NAME})\s{{0,3}}{COMPARISON}\s{{0,3}}"
    rf"(?:(?P<share>0?\.\d{{1,4}}|\\d?frac\{{\d{{1,3}}\}}\{{\d{{1,3}}\}}|\d{{1,2}}/\d{{1,3}}){_TIMES}(?P<other>{_NAME})"
    rf"|\\d?frac\{{(?P<over>{_NAME})\}}\{{(?P<parts>\d)\}}|(?P<whole>{_NAME})\s?/\s?(?P<pieces>\d))"
    rf"{FORMULA_END}",
)
SUM_OF_ITSELF = re.compile(
    rf"(?P<sum>{_NAME}(?:\s?\+\s?{_NAME}){{1,5}})\s{{0,3}}{COMPARISON}\s{{0,3}}"
    rf"0?\.\d{{1,4}}{_TIMES}\(\s?(?P=sum)\s?\)"
)
"""A total that is compared with a share of itself, which is always true or never."""
IS_SUM = re.compile(r"\s*(?:\\\)|\$)?\s*=[^\n=<>≤≥\\]*\+")
DEFINES = re.compile(r"\s*(?:\\\)|\$)?\s*(?:=|:|is|be|represents?|denotes?|for)(?![a-z])")
TOTAL = re.compile(r"total|\ball\b|overall|sum|whole|together|combined", re.IGNORECASE)


def stated_shares(question: str) -> set[float]:
    """Return the shares of a total that the question limits, as fractions."""
    question = question[:MAX_CHARS]
    shares = {
        round(float(found["percent"]) / 100 if found["percent"] else FRACTIONS[found["fraction"].lower()], 6)
        for found in SHARE.finditer(question)
    }
    return {share for share in shares if 0 < share < 1}


def share_of_one(evidence: Evidence) -> Iterator[Finding]:
    """Find a limit of a part by a share of one other part, in prose or program, if the question has a share of all."""
    shares = stated_shares(evidence.question)
    if not shares:
        return
    for turn in evidence.turns:
        if evidence.result_before(turn):
            break
        prose = turn.prose[:MAX_CHARS]
        if found := SUM_OF_ITSELF.search(prose):
            yield finding("share_of_one", turn, sentence_start(turn.text, found.start()), found[0].strip())
            return
        for found in FORMULA.finditer(prose):
            other = found["other"] or found["over"] or found["whole"]
            share = _fraction(found["share"] or f"1/{found['parts'] or found['pieces']}")
            if other != found["part"] and _close(share, shares) and not _total_in_prose(other, prose):
                yield finding("share_of_one", turn, sentence_start(turn.text, found.start()), found[0].strip())
                return
    for turn, code, at in evidence.programs():
        for shown in _in_program(code, shares):
            yield finding("share_of_one", turn, at, shown)
            return


def _in_program(code: Code, shares: set[float]) -> Iterator[str]:
    values = {
        node.targets[0].id: node.value
        for node in code.nodes(ast.Assign)
        if len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)
    }
    for node in code.nodes(ast.Compare):
        match node:
            case ast.Compare(left=left, ops=[ast.LtE() | ast.GtE()], comparators=[right]):
                for part, product in ((left, right), (right, left)):
                    if _share_of(part, product):
                        yield ast.unparse(node)
                    other = _scaled(product, shares, values) if isinstance(part, ast.Name) else ""
                    if other and other != ast.unparse(part) and not _total(other, values.get(other)):
                        yield ast.unparse(node)


def _share_of(total: ast.expr, product: ast.expr) -> bool:
    """Return whether a product is a share of a sum that is written in the same way."""
    match product:
        case ast.BinOp(op=ast.Mult(), left=ast.Constant(value=float(share)), right=whole):
            return 0 < share < 1 and isinstance(total, ast.BinOp) and ast.dump(total) == ast.dump(whole)
    return False


def _scaled(node: ast.expr, shares: set[float], values: dict[str, ast.expr]) -> str:
    """Return the name in "share * name", or ""."""
    match node:
        case ast.BinOp(op=ast.Mult(), left=number, right=ast.Name(id=name)):
            pass
        case ast.BinOp(op=ast.Mult(), left=ast.Name(id=name), right=number):
            pass
        case _:
            return ""
    if isinstance(number, ast.Name):
        number = values.get(number.id, number)
    match number:
        case ast.Constant(value=float() | int() as value):
            return name if _close(value, shares) else ""
        case ast.BinOp(op=ast.Div(), left=ast.Constant(value=int() as over), right=ast.Constant(value=int() as under)):
            return name if under and _close(over / under, shares) else ""
    return ""


def _total(name: str, value: ast.expr | None) -> bool:
    """Return whether a name is that of a total: by its words, or because it is a sum or an unknown value."""
    return bool(TOTAL.search(name)) or not isinstance(value, ast.Call) or _sums(value)


def _sums(value: ast.expr) -> bool:
    return any(isinstance(part, ast.BinOp) and isinstance(part.op, ast.Add) for part in ast.walk(value)) or any(
        isinstance(part, ast.Call) and TOTAL.search(ast.unparse(part)) for part in ast.walk(value)
    )


def _total_in_prose(name: str, prose: str) -> bool:
    """Return whether the prose says that a name is a total, in its definition or by an equation with a sum."""
    if TOTAL.search(name):
        return True
    word = re.escape(name)
    for found in re.finditer(rf"(?<![A-Za-z\\]){word}(?![A-Za-z])(?P<rest>[^\n]{{0,80}})", prose):
        if IS_SUM.match(found["rest"]):
            return True
        if DEFINES.match(found["rest"]) and TOTAL.search(found["rest"].partition(".")[0]):
            return True
    return False


def _fraction(text: str) -> float:
    numbers = [float(number) for number in re.findall(r"\d*\.?\d+", text)]
    return numbers[0] if len(numbers) == 1 else numbers[0] / numbers[1] if numbers[1] else 0.0


def _close(value: float, shares: set[float]) -> bool:
    return any(abs(value - share) < 0.005 for share in shares)
