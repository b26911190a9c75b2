"""A seeded generator of answers as models write them: number notation, prefix, unit and wrapper combined."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Form:
    """An answer and what it is made of."""

    text: str
    value: float | None
    """The value that a person reads; None if the text is not one number."""
    notation: str
    prefix: str
    unit: str
    wrapper: str


def _groups(sign: str) -> Callable[[float], str]:
    return lambda x: f"{x:,.2f}".replace(",", sign)


def _times_ten(pattern: str) -> Callable[[float], str]:
    def write(x: float) -> str:
        mantissa, exponent = f"{x:.4e}".split("e")
        return pattern.format(mantissa, int(exponent))

    return write


NOTATIONS: dict[str, Callable[[float], str]] = {
    "whole": lambda x: f"{x:.0f}",
    "decimal": lambda x: f"{x:.2f}",
    "repr": repr,
    "commas": _groups(","),
    "latex commas": _groups("{,}"),
    "thin spaces": _groups(r"\,"),
    "spaces": _groups(" "),
    "apostrophes": _groups("'"),
    "points": lambda x: f"{x * 1000:,.0f}".replace(",", "."),
    "scientific": lambda x: f"{x:.4e}",
    "times ten": _times_ten(r"{} \times 10^{{{}}}"),
    "cdot ten": _times_ten(r"{}\cdot10^{{{}}}"),
    "fraction": lambda x: rf"\frac{{{x:.0f}}}{{7}}",
    "dfrac": lambda x: rf"\dfrac{{{x:.0f}}}{{7}}",
    "slash": lambda x: f"{x:.0f}/7",
    "million": lambda x: rf"{x:.2f} \text{{ million}}",
    "full width": lambda x: f"{x:.2f}".translate({ord(c): ord(c) + 0xFEE0 for c in "0123456789.-"}),
    "minus sign": lambda x: f"{-abs(x):.2f}".replace("-", "\u2212"),
}
NOT_ONE_NUMBER: dict[str, Callable[[float], str]] = {
    "decimal comma": lambda x: f"{x:.1f}".replace(".", ","),
    "leading zero": lambda x: f"0,{abs(x) % 899 + 100:.0f}",
    "range": lambda x: f"{abs(x):.0f}-{abs(x) + 7:.0f}",
    "sum": lambda x: f"{x:.0f} + 12",
    "product": lambda x: rf"{x:.0f} \times 12",
    "power": lambda x: f"{abs(x) % 90 + 11:.0f}^2",
    "root": lambda x: rf"\sqrt{{{abs(x) + 2:.0f}}}",
    "pair": lambda x: f"({x:.0f}, 12)",
    "list": lambda x: f"{x:.0f}, 12",
    "or": lambda x: rf"{x:.0f} \text{{ or }} 12",
    "at least": lambda x: rf"\text{{at least }} {x:.0f}",
    "more": lambda x: rf"\geq {x:.0f}",
    "variable": lambda x: f"{x:.0f}y",
}
NOTATIONS |= NOT_ONE_NUMBER
VALUES: dict[str, Callable[[float], float]] = {
    "whole": lambda x: float(f"{x:.0f}"),
    "repr": float,
    "points": lambda x: float(f"{x * 1000:.0f}"),
    "scientific": lambda x: float(f"{x:.4e}"),
    "times ten": lambda x: float(f"{x:.4e}"),
    "cdot ten": lambda x: float(f"{x:.4e}"),
    "fraction": lambda x: float(f"{x:.0f}") / 7,
    "dfrac": lambda x: float(f"{x:.0f}") / 7,
    "slash": lambda x: float(f"{x:.0f}") / 7,
    "million": lambda x: float(f"{x:.2f}e6"),
    "minus sign": lambda x: -abs(float(f"{x:.2f}")),
}
"""The value of a notation; the others have two decimals."""

PREFIXES = {
    "none": "",
    "name": "z = ",
    "star": "z^* = ",
    "index": r"Z_{\max} = ",
    "formula": "z = 3x_1 + 5x_2 = ",
    "approx": r"\approx ",
    "words": r"\text{The maximum profit is } ",
    "label": r"\text{Profit: } ",
    "dollar": r"\$",
}
UNITS = {
    "none": "",
    "words": r" \text{ units}",
    "mathrm": r"~\mathrm{kg}",
    "percent": r"\%",
    "square": r" \text{ m}^2",
    "usd": r" \text{ USD}",
    "degree": r"^\circ",
}
WRAPPERS = {
    "none": "{}",
    "dollars": "${}$",
    "mathbf": r"\mathbf{{{}}}",
    "boldsymbol": r"\boldsymbol{{{}}}",
    "displaystyle": r"\displaystyle {}",
    "parentheses": r"\left({}\right)",
    "stop": "{}.",
}


def forms(count: int, *, seed: int) -> Iterator[Form]:
    """Yield `count` different forms."""
    choose = random.Random(seed)
    seen: set[str] = set()
    while len(seen) < count:
        x = choose.choice([1, 1, -1]) * round(10 ** choose.uniform(0, 6), choose.choice([0, 2]))
        notation, prefix, unit, wrapper = (
            choose.choice(list(table)) for table in (NOTATIONS, PREFIXES, UNITS, WRAPPERS)
        )
        if notation == "points" and abs(x) < 1000:
            continue
        if prefix == "dollar" and unit != "none":  # Money in metres has no meaning.
            continue
        text = WRAPPERS[wrapper].format(PREFIXES[prefix] + NOTATIONS[notation](x) + UNITS[unit])
        if text not in seen:
            seen.add(text)
            value = None if notation in NOT_ONE_NUMBER else VALUES.get(notation, lambda x: float(f"{x:.2f}"))(x)
            yield Form(text, value, notation, prefix, unit, wrapper)
