"""Parse a statement: words, one number with its scale and unit, words."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from storm_calm.env.answer_grammar import words
from storm_calm.env.answer_grammar.spoken import is_latin, spoken
from storm_calm.env.answer_grammar.tokens import Number, Token, UnreadableError, number, power_of_ten

BRACKETS = {"(": ")", "[": "]"}

_CJK_SCALE = re.compile(rf"(?:{'|'.join(words.CJK_SCALES)})+.?.?")
_HANGUL = re.compile("[\uac00-\ud7a3]")


@dataclass(frozen=True, slots=True)
class Statement:
    """A number with the words around it."""

    number: Number
    lead: tuple[Token, ...]
    tail: tuple[Token, ...]
    """The unit, and other words after the number and its scale."""

    def spoken(self) -> str:
        """Return the statement as phrases see it."""
        return f"{spoken(self.lead)} # {spoken(self.tail)}"


class StatementParser:
    """A recursive-descent parser of one side of an equation: words, the number, words."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self.tokens = list(tokens)
        self.at = 0
        self.open: list[str] = []
        """The brackets that are open, by their closing sign."""
        self.money = False

    def statement(self) -> Statement:
        lead = tuple(self.lead())
        number = self.scaled(self.signed(lead))
        tail = tuple(self.tail())
        return Statement(number, lead, tail)

    def peek(self, ahead: int = 0) -> Token | None:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else None

    def next_is(self, kind: str, *texts: str, ahead: int = 0) -> bool:
        token = self.peek(ahead)
        return token is not None and token.kind == kind and (not texts or token.text in texts)

    def take(self) -> Token:
        token = self.tokens[self.at]
        self.at += 1
        return token

    # Words before the number.

    def lead(self) -> Iterator[Token]:
        previous: Token | None = None
        while not self.at_value():
            token = self.peek()
            if token is None:
                raise UnreadableError("no number")
            if token.kind == "mark" and token.text in "!→…°":
                raise UnreadableError(f"{token.text!r} before the number")
            if token.text == "(" and previous is not None and is_latin(previous) and not token.spaced:
                self.function_or_text()
            self.around(previous, token, self.peek(1))
            self.bracket(token)
            if token.text in (",", ";") and self.open:
                raise UnreadableError("a list")
            previous = self.take()
            yield previous
        if previous is None:
            return
        beside_currency = self.next_is("currency") and not self.tokens[self.at].spaced
        letter = is_latin(previous) and len(previous.text) == 1 and previous.text not in words.LINKING_LETTERS
        if previous.kind == "script" or (letter and not beside_currency):
            raise UnreadableError("a name beside the number")

    def function_or_text(self) -> None:
        """Raise UnreadableError if the number is an argument: `sqrt(2)`, but not `profit($) 2`."""
        depth = 0
        for token in self.tokens[self.at :]:
            depth += (token.text in BRACKETS) - (token.text in BRACKETS.values())
            if token.kind in ("number", "fraction"):
                raise UnreadableError("a function of the number")
            if depth == 0:
                return

    def at_value(self) -> bool:
        """Return whether the value begins here: signs and currencies, then digits."""
        ahead, signs = 0, 0
        while self.next_is("operator", "+", "-", ahead=ahead) or self.next_is("currency", ahead=ahead):
            signs += self.next_is("operator", ahead=ahead)
            ahead += 1
            if signs and self.next_is("mark", *BRACKETS, ahead=ahead):
                ahead += 1
        return self.next_is("number", ahead=ahead) or self.next_is("fraction", ahead=ahead)

    # The number.

    def signed(self, lead: tuple[Token, ...]) -> Number:
        signs: list[str] = []
        while self.next_is("operator", "+", "-") or self.next_is("currency"):
            token = self.take()
            if token.kind == "currency":
                self.money = True
                continue
            follows = self.peek()
            # The sign in "cost - 500" may be a dash, in "x-5" it is a difference.
            dash = not token.spaced or (follows is not None and follows.spaced)
            if lead and lead[-1].text not in BRACKETS and dash:
                raise UnreadableError("a sign or a dash")
            signs.append(token.text)
        if len(signs) > 1:
            raise UnreadableError("two signs")
        if signs and self.next_is("mark", *BRACKETS):
            closing = BRACKETS[self.take().text]
            number = self.magnitude()
            if not self.next_is("mark", closing):
                raise UnreadableError("a formula")
            self.take()
        else:
            number = self.magnitude()
        return Number(-number.value, number.place) if "-" in signs else number

    def magnitude(self) -> Number:
        """Parse `1.5`, `1.5*10^3`, `10^3`, `7/3`, `1 1/2`."""
        if not (self.next_is("number") or self.next_is("fraction")):
            raise UnreadableError("no number")
        token = self.take()
        if token.kind == "fraction":
            return Number(_quotient(*(_part(part) for part in token.parts)), None)
        if token.text == "10" and self.next_is("script", "^") and not _is_degree(self.tokens[self.at]):
            return Number(power_of_ten(_integer(self.take())), None)
        result = number(token.text)
        if self.next_is("operator", "*"):
            if not (self.next_is("number", "10", ahead=1) and self.next_is("script", "^", ahead=2)):
                raise UnreadableError("a product")
            self.at += 2
            factor = power_of_ten(_integer(self.take()))
            assert result.place is not None
            return Number(result.value * factor, result.place * factor)
        if self.next_is("operator", "/") and self.next_is("number", ahead=1):
            self.at += 1
            return Number(_quotient(result.value, number(self.take().text).value), None)
        rest = self.fraction_of_one() if token.text.isdigit() else None
        return result if rest is None else Number(result.value + rest, None)

    def fraction_of_one(self) -> Fraction | None:
        """Parse the fraction of a mixed number; it is below 1."""
        if self.next_is("fraction"):
            rest = _quotient(*(_part(part) for part in self.take().parts))
        elif self.next_is("number") and self.next_is("operator", "/", ahead=1) and self.next_is("number", ahead=2):
            rest = _quotient(number(self.take().text).value, number(self.tokens[self.at + 1].text).value)
            self.at += 2
        else:
            return None
        if not 0 < rest < 1:
            raise UnreadableError("two numbers")
        return rest

    def scaled(self, result: Number) -> Number:
        """Parse the scale after a number, if there is one: `million`, `k`, `万`."""
        token = self.peek()
        if token is None or token.kind != "word":
            return result
        exponent = None
        if is_latin(token):
            exponent = self.latin_scale(token)
            if exponent is not None:
                self.at += 1
        elif not token.text.startswith(words.CJK_UNITS):
            scale = next((scale for scale in words.CJK_SCALES if token.text.startswith(scale)), None)
            if scale is not None:
                exponent = words.CJK_SCALES[scale]
                unit = token.text.removeprefix(scale)
                self.tokens[self.at : self.at + 1] = [Token("word", unit, False)] if unit else []
        if exponent is None:
            return result
        factor = power_of_ten(exponent)
        return Number(result.value * factor, None if result.place is None else result.place * factor)

    def latin_scale(self, token: Token) -> int | None:
        folded = words.fold(token.text)
        if folded in words.SCALES or folded.removesuffix("s") in words.SCALES:
            return words.SCALES.get(folded, words.SCALES.get(folded.removesuffix("s")))
        if token.text[0] in "kKM" and words.fold(token.text[1:]) in words.CURRENCY_WORDS:  # MEUR
            return words.MONEY_LETTERS[token.text[0]]
        follows = self.peek(1)
        if follows is not None and follows.kind == "script":  # m^2
            return None
        if token.text == "MM":
            raise UnreadableError("millions or a unit")
        money = self.money or (
            follows is not None and (follows.kind == "currency" or words.fold(follows.text) in words.CURRENCY_WORDS)
        )
        if money and token.text in words.NOT_MONEY_UNITS:
            raise UnreadableError("a scale or a unit")
        if money and token.text in words.MONEY_LETTERS:
            return words.MONEY_LETTERS[token.text]
        return None if token.spaced else words.BARE_LETTERS.get(token.text)

    # Words after the number.

    def tail(self) -> Iterator[Token]:
        previous: Token | None = None
        while self.at < len(self.tokens):
            token = self.take()
            if token.kind in ("number", "fraction"):
                raise UnreadableError("two numbers")
            if previous is None:
                self.unit(token)
            self.around(previous, token, self.peek())
            if token.text in (",", ";") and self.open:
                raise UnreadableError("a list")
            self.bracket(token)
            previous = token
            yield token
        if self.open:
            raise UnreadableError("a bracket is not closed")

    def unit(self, token: Token) -> None:
        """Raise UnreadableError if the token directly after the number makes a formula of it."""
        if token.kind == "script":
            if not _is_degree(token):
                raise UnreadableError("a power")
        elif token.text == "!" or (token.kind == "operator" and token.text != "/"):
            raise UnreadableError("a formula")
        elif token.kind == "word" and is_latin(token):
            folded = words.fold(token.text)
            article = token.text == "a" and token.spaced and self.next_is("word")
            unit = token.text in words.UNIT_LETTERS or _HANGUL.match(token.text)
            if len(token.text) == 1 and not unit and not article:
                raise UnreadableError("a name beside the number")
            with_digits = any(char.isdigit() for char in folded) and folded not in words.SUPERSCRIPT_UNITS
            if with_digits and (not token.spaced or len(folded.rstrip("0123456789")) == 1):  # 0x1F, 14h30, 3 x1
                raise UnreadableError("a name beside the number")
            if not token.spaced and set(folded) <= set("xyz"):
                raise UnreadableError("a product of names")

    # Both.

    def around(self, previous: Token | None, token: Token, follows: Token | None) -> None:
        """Raise UnreadableError unless the token may be among the words around a number."""
        if token.kind in ("symbol", "relation") or token.text == "→":
            raise UnreadableError("a formula")
        if is_scale(token, follows):
            raise UnreadableError("a scale away from the number")
        if token.kind == "word" and _in_cjk_numerals(token):
            raise UnreadableError("another number in words")
        if token.kind == "script" and previous is not None and (token.text == "_" or previous.kind != "word"):
            raise UnreadableError("a name with an index")
        if token.kind == "operator" and not _joins_words(previous, token, follows):
            raise UnreadableError("a formula")

    def bracket(self, token: Token) -> None:
        if token.kind == "mark" and token.text in BRACKETS:
            self.open.append(BRACKETS[token.text])
        elif token.text in BRACKETS.values() and (not self.open or self.open.pop() != token.text):
            raise UnreadableError("a bracket is closed that is not open")


def is_scale(token: Token, follows: Token | None) -> bool:
    """Return whether a word that is not directly after the number may be its scale: `profit (M$)`, `(万元)`."""
    if token.kind != "word":
        return False
    if not is_latin(token):
        return bool(_CJK_SCALE.fullmatch(token.text)) and not token.text.startswith(words.CJK_UNITS)
    if token.text in words.SCALE_PREFIXES:
        return follows is not None and (follows.kind == "currency" or words.fold(follows.text) in words.CURRENCY_WORDS)
    return token.text[0] in words.SCALE_PREFIXES and words.fold(token.text[1:]) in words.CURRENCY_WORDS


def _part(tokens: Sequence[Token]) -> Fraction:
    """Return the value of a numerator or denominator, which is a number without words."""
    side = StatementParser(tokens)
    result = side.signed(())
    if side.peek() is not None:
        raise UnreadableError("a fraction of more than numbers")
    return result.value


def _quotient(top: Fraction, bottom: Fraction) -> Fraction:
    if bottom == 0:
        raise UnreadableError("a division by zero")
    return top / bottom


def _integer(script: Token) -> int:
    """Return the exponent in a script."""
    (content,) = script.parts
    text = "".join(token.text for token in content)
    if not re.fullmatch(r"[-+]?\d{1,4}", text, re.ASCII):
        raise UnreadableError("an exponent that is not a whole number")
    return int(text)


def _is_degree(script: Token) -> bool:
    return [token.text for token in script.parts[0]] == ["°"]


def _in_cjk_numerals(token: Token) -> bool:
    """Return whether a Chinese or Japanese word contains a numeral."""
    if is_latin(token) or token.text.startswith(words.CJK_UNITS):
        return False
    return any(char.isnumeric() for char in token.text)


def _joins_words(previous: Token | None, operator: Token, follows: Token | None) -> bool:
    """Return whether the operator is part of words or units: `km/h`, `kg*m`, `car-kilometres`."""
    if follows is None or follows.kind not in ("word", "currency"):
        return False
    if operator.text == "/":
        return True
    if previous is None or previous.kind not in ("word", "script"):
        return False
    return operator.text == "*" or (operator.text == "-" and not operator.spaced and not follows.spaced)
