"""Split the text of an answer into tokens: LaTeX, Markdown and Unicode become one small alphabet.

    tokenize(r"Z_{\\max} \\approx \\$1.2\\times10^{3}")
    # word Z, script _, relation ≈, currency $, number 1.2, operator *, number 10, script ^

What has no reading as a number, a name or a status makes the whole text unreadable: inequalities, unknown commands,
malformed numbers such as `1,5`, unbalanced braces.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from storm_calm.env.answer_grammar import latex
from storm_calm.env.answer_grammar.latex import Kind

MAX_DEPTH = 12
"""Most levels of braces that are read; deeper text is not an answer."""

MAX_EXPONENT = 400
"""Largest power of ten that is computed; beyond it no float is finite."""


class UnreadableError(ValueError):
    """The text is not exactly one answer."""


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of an answer."""

    kind: Kind
    text: str
    """The digits of a number, the name of a word, the sign of everything else."""
    spaced: bool
    """Whether there is space before it, or the beginning of the text."""
    parts: tuple[tuple["Token", ...], ...] = ()
    """Numerator and denominator of a fraction; content of a script (`^`, `_`)."""


@dataclass(frozen=True, slots=True)
class Number:
    """An exact value and the precision of its notation."""

    value: Fraction
    place: Fraction | None
    """Value of the last written digit; None for fractions and powers, which are exact."""


def tokenize(text: str) -> tuple[Token, ...]:
    """Return the tokens of `text`.

    Raises UnreadableError for text that contains anything besides names, numbers, units and equations.
    """
    text = re.sub(r"\\{2,}(?=\S)", r"\\", text.translate(latex.CHARACTERS).strip("*` "))
    # `$x$` is a formula, `$5` is money. In `$5 ... $7` two numbers are refused anyway.
    dollars = len(re.findall(r"(?<!\\)\$", text))
    return _Tokenizer(text, money=dollars % 2 == 1).group(closing="", depth=0)


def number(digits: str) -> Number:
    """Return the value of a number token."""
    mantissa, _, exponent = digits.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    place = power_of_ten(int(exponent or 0) - decimals)
    return Number(int(mantissa.replace(".", "")) * place, place)


def power_of_ten(exponent: int) -> Fraction:
    """Return 10 to `exponent`; raises UnreadableError if that is beyond every float."""
    if abs(exponent) > MAX_EXPONENT:
        raise UnreadableError(f"10^{exponent} is out of range")
    return Fraction(10) ** exponent


_SPACE = r"(?:[ \u00a0\u2009\u202f]|\\[,;: ]|\\thinspace[ ]?)"
_NUMBER = re.compile(
    rf"""
    (?:
        (?P<dots>[1-9]\d{{0,2}}(?:\.\d{{3}}){{2,}})
      | [1-9]\d{{0,2}} (?: (?:(?:,|\{{,\}})(?:\\!)?\d{{3}})+ | (?:'\d{{3}})+ | (?P<spaced>{_SPACE}\d{{3}}(?!\d))+ )
      | \d+
    )?
    (?(dots)|(?:\.\d*)?)
    (?:[eE][-+]?\d{{1,4}}(?!\w|\.\d))?
    """,
    re.VERBOSE | re.ASCII,
)
_DIGIT = re.compile(r"\.?\d", re.ASCII)
# A number that continues after what was matched is malformed: 1,5 and 1.2.3 and 0,125.
_CONTINUES = re.compile(r"\d|(?:[.,'~]|\{,\}|,?\\!)+\d", re.ASCII)
_ARGUMENT = re.compile(r"\d*\.?\d+", re.ASCII)
_THOUSANDS = re.compile(r"\d+(?:,\d{3})+(?:\s|\\[,;: ]|\\right)*+[)\]]", re.ASCII)
_DIVISION = re.compile(r"\s*/\s*\d")
_CJK = "\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{_CJK}]+|(?:(?![{_CJK}])[^\W\d_])+(?:(?:(?![{_CJK}])[^\W_])+|'(?=[^\W\d_]))*")
_OTHER_DIGITS = re.compile("[\u00bc-\u00be\u2150-\u218b\u2460-\u24ff\u2776-\u2793]")  # ½, Ⅳ, ①
_TIMES = re.compile(r"[xX](?=\s*10\s*(?:\^|\*\*|[⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹]))")
_NAMES = ("word", "script", "symbol")
_RELATION = re.compile(r"[<>]|!=|/=|:=|=[<>]|==?|≈|≡|:|~(?=\s*[\d$€£¥₹])")
_EXPONENT = re.compile(r"\(\s*([-+]?\s*\d+)\s*\)|([-+]?\s*\d+)(?![\d.,])", re.ASCII)
_ONE_DIGIT = re.compile(r"\s*(\d)", re.ASCII)
_POWER = re.compile(r"\*\*(?=\s*[-+(]?\s*\d)")


class _Tokenizer:
    """Reads text from left to right, once."""

    def __init__(self, text: str, *, money: bool) -> None:
        self.text = text
        self.money = money
        self.at = 0
        self.spaced = True
        self.arguments = 0
        """Round brackets that are open from that of a function on."""

    def group(self, *, closing: str, depth: int) -> tuple[Token, ...]:
        """Return the tokens up to the `closing` brace."""
        if depth > MAX_DEPTH:
            raise UnreadableError("too many levels of braces")
        tokens: list[Token] = []
        open_braces = 0
        while self.at < len(self.text):
            char = self.text[self.at]
            if char == "}":
                self.at += 1
                if open_braces == 0:
                    if not closing:
                        raise UnreadableError("a brace is closed that is not open")
                    return tuple(tokens)
                open_braces -= 1
            elif char == "{":
                self.at += 1
                open_braces += 1
            else:
                tokens.extend(self.piece(tokens[-1] if tokens else None, depth))
        if closing or open_braces:
            raise UnreadableError("a brace is not closed")
        return tuple(tokens)

    def piece(self, previous: Token | None, depth: int) -> Iterator[Token]:
        """Yield the tokens of the next piece of text: none for space and fonts, else one."""
        text, char = self.text, self.text[self.at]
        if char.isspace():
            self.at += 1
            self.spaced = True
        elif char == "\\":
            yield from self.command(depth)
        elif _DIGIT.match(text, self.at):
            yield self.digits(previous)
        elif char in latex.SUPERSCRIPTS or char in latex.SUBSCRIPTS:
            yield self.unicode_script(latex.SUPERSCRIPTS if char in latex.SUPERSCRIPTS else latex.SUBSCRIPTS)
        elif char in "^_" or (previous and previous.kind == "number" and _POWER.match(text, self.at)):
            yield self.script(depth)
        elif previous and previous.kind == "number" and _TIMES.match(text, self.at):
            self.at += 1
            yield self.token("operator", "*")
        elif word := _WORD.match(text, self.at):
            self.at = word.end()
            if _OTHER_DIGITS.search(word[0]):
                raise UnreadableError("a number in other signs")
            yield self.token("word", word[0])
        elif relation := _RELATION.match(text, self.at):
            self.at = relation.end()
            yield self.relation(relation[0])
        elif text.startswith("**", self.at):  # Markdown's bold.
            self.at += 2
        else:
            self.at += 1
            if char == "(" and (self.arguments or (previous and previous.kind in _NAMES and not self.spaced)):
                self.arguments += 1
            self.arguments -= char == ")" and self.arguments > 0
            yield from self.sign(char)

    def token(self, kind: Kind, text: str, parts: tuple[tuple[Token, ...], ...] = ()) -> Token:
        spaced, self.spaced = self.spaced, False
        return Token(kind, text, spaced, parts)

    def relation(self, sign: str) -> Token:
        if sign in ("<", ">", "!=", "/=", "=<", "=>"):
            raise UnreadableError("an inequality")
        return self.token("relation", {":": ":", "~": "≈", "≈": "≈"}.get(sign, "="))

    def sign(self, char: str) -> Iterator[Token]:
        if char == "~":
            self.spaced = True
        elif char == "$":
            if self.money:
                yield self.token("currency", char)
        elif char in "€£¥₹₩₽":
            yield self.token("currency", char)
        elif char == "∞":
            yield self.token("word", "infinity")
        elif char == "∅":
            yield self.token("symbol", "emptyset")
        elif char in "+-*/":
            yield self.token("operator", char)
        elif char in ".,;()[]\"'%‰°…!→&":
            yield self.token("mark", char)
        else:
            raise UnreadableError(f"{char!r} has no meaning in an answer")

    def digits(self, previous: Token | None) -> Token:
        if self.arguments and (argument := _ARGUMENT.match(self.text, self.at)):  # Z(2,6): never a decimal comma.
            self.at = argument.end()
            return self.token("number", argument[0])
        if previous is not None and previous.text in ("(", "[") and _THOUSANDS.match(self.text, self.at):
            raise UnreadableError("a point or one number")
        match = _NUMBER.match(self.text, self.at)
        assert match is not None
        written = match[0]
        # `Rs.500` is not 0.5, and `x,5` may be a list.
        point = written.startswith(".") and previous is not None and previous.kind == "word"
        if previous is not None and not self.spaced and (point or previous.text in (",", ".", ";")):
            raise UnreadableError("a number follows a point or a comma")
        self.at = match.end()
        if _CONTINUES.match(self.text, self.at):
            raise UnreadableError("a malformed number")
        if match["spaced"] and _DIVISION.match(self.text, self.at):  # 1 234/5
            raise UnreadableError("one number or two")
        if match["dots"]:
            written = written.replace(".", "")
        return self.token("number", re.sub(r"\\thinspace|[^\d.eE+-]", "", written))

    def unicode_script(self, table: dict[str, str]) -> Token:
        begin = self.at
        while self.at < len(self.text) and self.text[self.at] in table:
            self.at += 1
        written = "".join(table[char] for char in self.text[begin : self.at])
        content = _Tokenizer(written, money=False).group(closing="", depth=0)
        return self.token("script", "^" if table is latex.SUPERSCRIPTS else "_", (content,))

    def script(self, depth: int) -> Token:
        sign = "_" if self.text[self.at] == "_" else "^"
        self.at += 2 if self.text.startswith("**", self.at) else 1
        spaced, self.spaced = self.spaced, True
        content = self.argument(depth)
        self.spaced = False
        return Token("script", sign, spaced, (content,))

    def argument(self, depth: int) -> tuple[Token, ...]:
        """Return the content of the next braces, or else the next whole number, or else the next token."""
        if depth > MAX_DEPTH:
            raise UnreadableError("too many levels of scripts")
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1
        if exponent := _EXPONENT.match(self.text, self.at):
            self.at = exponent.end()
            return _Tokenizer((exponent[1] or exponent[2]).replace(" ", ""), money=False).group(closing="", depth=0)
        tokens: list[Token] = []
        while self.at < len(self.text) and not tokens and self.text[self.at] not in "{}":
            tokens.extend(self.piece(None, depth + 1))
        if not tokens and self.text.startswith("{", self.at):
            self.at += 1
            return self.group(closing="}", depth=depth + 1)
        return tuple(tokens)

    def command(self, depth: int) -> Iterator[Token]:
        match = re.compile(r"\\([A-Za-z]+\*?|[^A-Za-z])?", re.DOTALL).match(self.text, self.at)
        assert match is not None
        name = (match[1] or "").rstrip("*") or (match[1] or "")
        self.at = match.end()
        if name in latex.SPACES or name.isspace():
            self.spaced = True
        elif name in latex.WRAPPERS or name == "!":
            pass
        elif name in ("(", ")", "[", "]"):  # Formula delimiters.
            self.spaced = True
        elif name in latex.COLOURED:
            self.argument(depth)
        elif name in latex.FRACTIONS:
            yield self.fraction(depth)
        elif name in latex.COMMANDS:
            yield self.token(*latex.COMMANDS[name])
        else:
            raise UnreadableError(f"\\{name} has no meaning in an answer")

    def fraction(self, depth: int) -> Token:
        spaced = self.spaced
        parts = tuple(self.numerator_or_denominator(depth) for _ in range(2))
        self.spaced = False
        return Token("fraction", "/", spaced, parts)

    def numerator_or_denominator(self, depth: int) -> tuple[Token, ...]:
        """Return the content of the next braces, or the next digit: `\\frac12` is one half."""
        digit = _ONE_DIGIT.match(self.text, self.at)
        if digit is None:
            return self.argument(depth)
        self.at = digit.end()
        return (Token("number", digit[1], True),)
