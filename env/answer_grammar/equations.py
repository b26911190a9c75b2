"""Read the one number of an equation or a statement. Formulas are never computed."""

from collections.abc import Sequence
from fractions import Fraction

from storm_calm.env.answer_grammar import words
from storm_calm.env.answer_grammar.spoken import spoken
from storm_calm.env.answer_grammar.statement import BRACKETS, Statement, StatementParser, is_scale
from storm_calm.env.answer_grammar.tokens import Number, Token, UnreadableError

_NO_NUMBER = words.pattern(words.DOUBTS, words.BOUNDS, words.OTHER_NUMBERS)
_FUNCTIONS = frozenset({"max", "min", "maximize", "minimize", "maximise", "minimise"})


def read_number(tokens: Sequence[Token]) -> Fraction:
    """Return the one number that the text states.

    Raises UnreadableError if it has none or several, or says more or less than the number.
    """
    sides, relations = _sides(_without_brackets(tokens))
    statements: list[Statement] = []
    phrases: list[str] = []
    for place, side in enumerate(sides):
        statement = None
        if place == len(sides) - 1:
            if not (statements and relations[-1] == "=" and _is_name(side, formula=False)):  # 36 = z
                statement = StatementParser(side).statement()
        elif _has_number(side):
            statement = _middle_value(side, relations[place])
        elif side and not (_is_name(side, formula=True) if place else _is_label(side)):
            raise UnreadableError("several names before an equals sign")
        elif any(is_scale(token, follows) for token, follows in zip(side, [*side[1:], None], strict=False)):
            raise UnreadableError("a scale before the number")
        if statement is not None:
            statements.append(statement)
        phrases.append(spoken(side) if statement is None else statement.spoken())
    if doubt := _NO_NUMBER.search(" ".join(" = ".join(phrases).split())):
        raise UnreadableError(f"{doubt[0]!r} beside the number")
    *middle, last = statements
    for statement in middle:
        unit = spoken(statement.tail)
        if unit not in ("", spoken(last.tail)) or any(token.text in (",", ";") for token in statement.tail):
            raise UnreadableError("words or another unit before an equals sign")
    return _agreed([statement.number for statement in statements])


def _without_brackets(tokens: Sequence[Token]) -> Sequence[Token]:
    """Return the equation without brackets around it or around its last relation: `22/7 (≈ 3.14)`."""
    opened = next((place for place, token in enumerate(tokens) if token.text in BRACKETS and place), None)
    if opened and tokens[-1].text == BRACKETS[tokens[opened].text] and tokens[opened + 1].kind == "relation":
        equation = tokens[opened + 1 : -1]
        if not any(token.text in ("(", ")", "[", "]", ",", ";", ":") for token in equation):
            return [*tokens[:opened], *equation]
    if len(tokens) < 3 or BRACKETS.get(tokens[0].text) != tokens[-1].text:
        return tokens
    inside = tokens[1:-1]
    if any(token.text in ("(", ")", "[", "]", ",", ";") for token in inside):
        return tokens
    return inside if any(token.kind == "relation" for token in inside) else tokens


def _sides(tokens: Sequence[Token]) -> tuple[list[list[Token]], list[str]]:
    """Return what is between the equals signs and colons outside of brackets, and these signs."""
    sides: list[list[Token]] = [[]]
    relations: list[str] = []
    depth = 0
    for token in tokens:
        depth += (token.text in BRACKETS) - (token.text in BRACKETS.values())
        if token.kind == "relation" and depth == 0:
            sides.append([])
            relations.append(token.text)
        else:
            sides[-1].append(token)
    return sides, relations


def _middle_value(side: Sequence[Token], relation: str) -> Statement | None:
    """Return the value left of an equals sign; None for a formula, which is not computed."""
    try:
        statement = StatementParser(side).statement()
    except UnreadableError:
        statement = None
    if statement is not None and not statement.lead and relation != ":":
        return statement
    if statement is not None or not _is_formula(side):
        raise UnreadableError("another number before an equals sign")
    return None


def _agreed(numbers: Sequence[Number]) -> Fraction:
    """Return the most precise number; the others must be equal to it if rounded or cut to their own last digit."""
    best = min(numbers, key=lambda number: number.place or 0)
    for other in numbers:
        place = other.place or Fraction(0)
        cut = 0 <= (abs(best.value) - abs(other.value)) < place and best.value * other.value >= 0
        if not cut and abs(best.value - other.value) > place / 2:
            raise UnreadableError("several numbers that differ")
    return best.value


def _has_number(side: Sequence[Token]) -> bool:
    return any(token.kind in ("number", "fraction") for token in side)


def _is_variable(token: Token) -> bool:
    """Return whether the token is a name in a formula: `x`, `x1`, `max`."""
    folded = words.fold(token.text)
    return token.kind == "word" and (len(folded.rstrip("0123456789")) == 1 or folded in _FUNCTIONS)


def _is_name(side: Sequence[Token], *, formula: bool) -> bool:
    """Return whether a side without numbers is one name or, with `formula`, a formula of names."""
    if not side or _has_number(side) or any(token.kind == "relation" for token in side):
        return False
    if any(token.kind == "mark" and token.text not in "()[]" for token in side):
        return False
    if not formula and any(token.kind == "operator" and token != side[-1] for token in side):  # z*
        return False
    named = [token for token in side if token.kind == "word" and words.fold(token.text) not in _FUNCTIONS]
    return len(named) <= 1 or (formula and all(_is_variable(token) for token in named))


def _is_label(side: Sequence[Token]) -> bool:
    """Return whether a side without numbers is text; `x, y` is a list."""
    if any(token.kind == "relation" or token.text == "→" for token in side):
        return False
    text = any(token.kind == "word" and not _is_variable(token) for token in side)
    depth = 0
    for place, token in enumerate(side):
        if token.text in BRACKETS and place and side[place - 1].kind in ("word", "script", "symbol"):
            depth += 1
        depth -= bool(depth) and token.text in BRACKETS.values()
        if token.text in (",", ";") and not depth and not text:
            return False
    return True


def _is_formula(side: Sequence[Token]) -> bool:
    """Return whether a side with numbers is a formula: names, numbers, operators; lists only as arguments."""
    depth = 0
    joined = False
    for place, token in enumerate(side):
        if token.text in BRACKETS:
            depth += 1
            joined |= place > 0
        elif token.text in BRACKETS.values():
            depth -= 1
        elif token.kind == "operator":
            joined |= place > 0 and token.text != "/"
        elif token.kind == "symbol":
            joined = True
        elif not (
            token.kind in ("number", "fraction", "script", "currency")
            or _is_variable(token)
            or token.text == "%"
            or (token.text in (",", ";") and depth)
        ):
            return False
    return joined and depth == 0
