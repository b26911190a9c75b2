"""Convert LaTeX of models to MathML, which browsers draw without scripts or fonts from elsewhere."""

from functools import lru_cache
from typing import Any
from xml.etree import ElementTree

MOST = 2000
"""Characters of the longest formula that is converted."""
DEPTH = 60
"""Most elements inside of each other: JSON is written recursively."""

_STYLES = {"text-align: left": "left", "text-align: right": "right", "text-align: center": "center"}

_UNSEEN = dict.fromkeys(map(ord, "\u2061\u2062\u2063\u2064\ufe00"))
"""Characters of the converter for readers of the source; the page would show their codes."""

Node = str | list[Any]
"""A text, or an element: [tag, children] or [tag, children, attributes]."""


@lru_cache(maxsize=4096)
def mathml(latex: str, *, display: bool) -> Node | None:
    """Return the formula as a tree of MathML elements; None if it is too long or not valid LaTeX.

    The page shows the source in that case. Elements and attributes are not checked here: the page knows which it draws.
    """
    if len(latex) > MOST:
        return None
    import math_core

    try:
        text = _converter().convert_with_local_state(latex, displaystyle=display)
        return _node(ElementTree.fromstring(text), DEPTH)
    # ValueError for half surrogate pairs and deep nesting, ParseError for control characters.
    except (math_core.LatexError, ValueError, ElementTree.ParseError):
        return None


@lru_cache(maxsize=1)
def _converter() -> Any:
    import math_core

    # Macros of a model could expand without end.
    return math_core.LatexToMathML(fancy_error=False, max_expansions=0)


def _node(element: ElementTree.Element, depth: int) -> Node:
    """Return an element as a tree. Raises ValueError if it is deeper than `depth`."""
    if not depth:
        raise ValueError("the formula is nested too deeply")
    children: list[Node] = [element.text.translate(_UNSEEN)] if element.text else []
    for child in element:
        children.append(_node(child, depth - 1))
        if child.tail:
            children.append(child.tail)
    attributes = dict(element.attrib)
    # The page's security policy forbids style attributes; only the alignment of cells matters.
    style = attributes.pop("style", "")
    align = next((name for words, name in _STYLES.items() if words in style), None)
    if align:
        attributes["align"] = align
    return [element.tag, children, attributes] if attributes else [element.tag, children]
