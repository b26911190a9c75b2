"""Tables of characters and LaTeX commands: what each is to the reader of answers."""

from typing import Literal

from storm_calm.env.answer_grammar.words import names

Kind = Literal["number", "fraction", "word", "symbol", "currency", "relation", "operator", "script", "mark"]
"""Kinds of tokens. A symbol is a name that occurs in formulas only."""

SUPERSCRIPTS = dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻", "0123456789+-", strict=True))
SUBSCRIPTS = dict(zip("₀₁₂₃₄₅₆₇₈₉", "0123456789", strict=True))
CHARACTERS = {code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5E)}  # Full-width forms of ASCII.
CHARACTERS |= {
    ord(char): replacement
    for chars, replacement in (
        ("\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d", "-"),
        ("\u2044\u2215÷", "/"),
        ("\u2018\u2019\uff07", "'"),
        ("\u201c\u201d«»「」", '"'),
        # Invisible characters separate; they never join digits to a number.
        ("\u200b\u200e\u200f\u2060\ufeff", "\u2003"),
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

WRAPPERS = names(
    "text textbf textit textrm textsf texttt textsc textsl textup textmd textnormal emph underline mbox hbox fbox "
    "boxed mathrm mathbf mathit mathsf mathtt mathnormal mathbb mathcal mathfrak mathscr boldsymbol bm pmb bold "
    "operatorname ensuremath num qty SI si unit left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr "
    "limits nolimits displaystyle textstyle bf rm it tt sf sl large Large LARGE huge Huge small normalsize"
)
"""Commands without meaning of their own: fonts, boxes, sizes."""
COLOURED = frozenset({"textcolor", "color"})
SPACES = frozenset({"quad", "qquad", "thinspace", "enspace", "space", "nobreakspace", ",", ";", ":", " ", ">"})
FRACTIONS = frozenset({"frac", "dfrac", "tfrac", "cfrac", "nicefrac", "sfrac"})
COMMANDS: dict[str, tuple[Kind, str]] = {
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
    **dict.fromkeys(("dots", "ldots"), ("mark", "…")),
    # Formulas left of an equals sign are not computed, so that their symbols need no meaning.
    **{
        name: ("symbol", name)
        for name in names(
            "alpha beta gamma delta epsilon varepsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau "
            "upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega ell sqrt sum "
            "prod log ln exp sin cos tan hat bar tilde vec overline emptyset varnothing"
        )
    },
}
