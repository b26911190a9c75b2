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
from typing import Literal

Kind = Literal["number", "fraction", "word", "symbol", "currency", "relation", "operator", "script", "mark"]

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
    text = re.sub(r"\\{2,}(?=\S)", r"\\", text.translate(_CHARACTERS).strip("*` "))
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


_SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-", strict=True))
_SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
_VULGAR = {"½": "12", "⅓": "13", "⅔": "23", "¼": "14", "¾": "34", "⅕": "15", "⅖": "25", "⅗": "35", "⅘": "45", "⅛": "18"}

_CHARACTERS = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5E)}  # Full-width forms of ASCII.
_CHARACTERS |= {
    ord(char): replacement
    for chars, replacement in (
        ("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-"),
        ("\u2044\u2215÷", "/"),
        ("\u2018\u2019\uff07", "'"),
        ("\u201c\u201d«»「」", '"'),
        ("\u200b\u200e\u200f\u2060\ufeff", ""),
        ("×·∙⋅✕✖", "*"),
        ("≈≃≅≒∼", "≈"),
        ("≤≥≠≦≧≪≫", "<"),
        # Between digits these separate items, never thousands.
        ("\uff0c、", "; "),
        ("。", ". "),
        ("￥", "¥"),
    )
    for char in chars
}

_WRAPPERS = frozenset(
    "text textbf textit textrm textsf texttt textsc textsl textup textmd textnormal emph underline mbox hbox fbox boxed "
    "mathrm mathbf mathit mathsf mathtt mathnormal mathbb mathcal mathfrak mathscr boldsymbol bm pmb bold "
    "operatorname ensuremath num qty SI si unit left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr limits "
    "nolimits displaystyle textstyle bf rm it tt sf sl large Large LARGE huge Huge small normalsize".split()
)
"""Commands without meaning of their own: fonts, boxes, sizes."""
_COLOURED = frozenset({"textcolor", "color"})
_SPACES = frozenset({"quad", "qquad", "thinspace", "enspace", "space", "nobreakspace", ",", ";", ":", " ", ">"})
_FRACTIONS = frozenset({"frac", "dfrac", "tfrac", "cfrac", "nicefrac", "sfrac"})
_COMMANDS: dict[str, tuple[Kind, str]] = {
    **dict.fromkeys(("times", "cdot", "ast", "star"), ("operator", "*")),
    "div": ("operator", "/"),
    **dict.fromkeys(("approx", "simeq", "sim", "thickapprox", "cong"), ("relation", "≈")),
    **dict.fromkeys(("equiv", "coloneqq", "doteq"), ("relation", "=")),
    **dict.fromkeys(("$", "textdollar", "mathdollar"), ("currency", "$")),
    **dict.fromkeys(("euro", "texteuro", "pounds", "textsterling", "yen", "textyen"), ("currency", "€")),
    "infty": ("word", "infinity"),
    **{name: ("word", name) for name in ("max", "min")},
    **dict.fromkeys(("%", "textpercent"), ("mark", "%")),
    **dict.fromkeys(("circ", "degree", "textdegree"), ("mark", "°")),
    "&": ("mark", "&"),
    "to": ("mark", "→"),
    "rightarrow": ("mark", "→"),
    "_": ("mark", "-"),
    # Formulas left of an equals sign are not computed, so that their symbols need no meaning.
    **{
        name: ("symbol", name)
        for name in "alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau "
        "upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega ell sqrt sum prod log ln "
        "exp sin cos tan hat bar tilde vec overline".split()
    },
}

_SPACE = r"(?:[ \u00a0\u2009\u202f]|\\[,;: ]|\\thinspace ?)"
_NUMBER = re.compile(
    rf"""
    (?:
        (?P<dots>[1-9]\d{{0,2}}(?:\.\d{{3}}){{2,}})
      | (?: [1-9]\d{{0,2}} (?: (?:(?:,|\{{,\}})(?:\\!)?\d{{3}})+ | (?:'\d{{3}})+ | (?P<spaced>{_SPACE}\d{{3}}(?!\d))+ ) )
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
_DIVISION = re.compile(r"\s*/\s*\d")
_CJK = "\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{_CJK}]+|(?:(?![{_CJK}])[^\W\d_])+(?:(?:(?![{_CJK}])[^\W_])+|'(?=[^\W\d_]))*")
_TIMES = re.compile(r"[xX](?=\s*10\s*(?:\^|\*\*|[⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹]))")
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
        elif char in _SUPERSCRIPTS or char in _SUBSCRIPTS:
            yield self.unicode_script(_SUPERSCRIPTS if char in _SUPERSCRIPTS else _SUBSCRIPTS)
        elif char in _VULGAR:
            self.at += 1
            top, bottom = _VULGAR[char]
            parts = ((Token("number", top, True),), (Token("number", bottom, True),))
            yield self.token("fraction", char, parts)
        elif char in "^_" or (previous and previous.kind == "number" and _POWER.match(text, self.at)):
            yield self.script(depth)
        elif previous and previous.kind == "number" and _TIMES.match(text, self.at):
            self.at += 1
            yield self.token("operator", "*")
        elif word := _WORD.match(text, self.at):
            self.at = word.end()
            yield self.token("word", word[0])
        elif relation := _RELATION.match(text, self.at):
            self.at = relation.end()
            yield self.relation(relation[0])
        elif text.startswith("**", self.at):  # Markdown's bold.
            self.at += 2
        else:
            self.at += 1
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
        elif char in "+-*/":
            yield self.token("operator", char)
        elif char in ".,;()[]\"'%‰°…!→&":
            yield self.token("mark", char)
        else:
            raise UnreadableError(f"{char!r} has no meaning in an answer")

    def digits(self, previous: Token | None) -> Token:
        match = _NUMBER.match(self.text, self.at)
        assert match is not None
        written = match[0]
        # `Rs.500` is not 0.5, and `x,5` may be a list.
        if previous is not None and not self.spaced:
            if previous.text in (",", ".", ";") or (written.startswith(".") and previous.kind == "word"):
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
        return self.token("script", "^" if table is _SUPERSCRIPTS else "_", (content,))

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
        if name in _SPACES or name.isspace():
            self.spaced = True
        elif name in _WRAPPERS or name == "!":
            pass
        elif name in ("(", ")", "[", "]"):  # Formula delimiters.
            self.spaced = True
        elif name in _COLOURED:
            self.argument(depth)
        elif name in _FRACTIONS:
            yield self.fraction(depth)
        elif name in _COMMANDS:
            yield self.token(*_COMMANDS[name])
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
