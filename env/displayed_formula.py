r"""Find the displayed formula around a place in a text, so that nothing is inserted into it.

before_formula("The limit is\n\\[\nx \\leq 77\n\\]\n", 18)  # 0
"""

import re

MAX_CHARS = 1000
"""Characters of the longest formula: a mark that is open for longer was never meant to be closed."""

MARK = re.compile(r"(?<!\\)\\[\[\]]|\\(?:begin|end)\{|\$\$")
"""A mark that opens or closes a displayed formula; a line break with a length, such as `\\[2pt]`, is none."""
CLOSING = {r"\[": r"\]", "$$": "$$", r"\begin{": r"\end{"}


def before_formula(text: str, offset: int) -> int:
    r"""Return the start of the line that leads to the displayed formula around `offset`, or `offset` outside of one.

    Formulas are displayed between `\[` and `\]`, between `$$` and `$$`, and in environments.
    """
    opening = _opening(text, offset)
    if opening is None:
        return offset
    end = len(text[:opening].rstrip())
    start = text.rfind("\n", 0, end) + 1
    return start + len(text[start:end]) - len(text[start:end].lstrip())


def _opening(text: str, offset: int) -> int | None:
    """Return the offset of the outermost mark that is open at `offset`; None outside of a formula."""
    opening, closing, depth = None, "", 0
    for mark in MARK.finditer(text, 0, offset):
        if opening is None:
            if mark[0] in CLOSING:
                opening, closing, depth = mark.start(), CLOSING[mark[0]], 1
        elif mark[0] == closing:
            depth -= 1
            opening = opening if depth else None
        elif CLOSING.get(mark[0]) == closing:
            depth += 1
    return None if opening is None or offset - opening > MAX_CHARS else opening
