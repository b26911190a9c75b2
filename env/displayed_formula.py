r"""Find the displayed formula around a place in a text, so that nothing is inserted into it.

before_formula("The limit is\n\\[\nx \\leq 77\n\\]\n", 18)  # 0
"""

MAX_CHARS = 1000
"""Characters before a place that are searched for the opening of a formula."""


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
    """Return the offset of the mark that opens the formula around `offset`; None outside of a formula."""
    first = max(0, offset - MAX_CHARS)
    before = text[first:offset]
    bracket, environment = before.rfind("\\["), before.rfind("\\begin{")
    if bracket > before.rfind("\\]"):
        return first + bracket
    if environment > before.rfind("\\end{"):
        return first + environment
    return first + before.rfind("$$") if before.count("$$") % 2 else None
