r"""Parse Markdown with LaTeX formulas into a tree of elements for the page.

    markdown_tree(r"Sell **3** at \(p_1\).")
    # [["p", ["Sell ", ["strong", ["3"]], " at ", ["math", ["p_1", ...], {"display": False}], "."]]]

Models write the Markdown of chats: headings, lists, emphasis, tables, code, and formulas in `\( \)`, `\[ \]`, dollars
or environments. Links, images, HTML and character references stay text. The page builds the elements itself, so a tree
cannot contain anything that it does not know.
"""

import re
from collections.abc import Iterator
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from storm_calm.serving.report.mathml import MOST, Node, mathml

LONGEST = 200_000
"""Characters of the longest text that is parsed; longer ones are shown as they are."""
PIECE = 20_000
"""Characters that are parsed at once: the parser takes longer than linear time on some texts."""
NESTING = 30
"""Levels at which the parser stops. It drops what is deeper, so texts that come near are shown as they are."""

_RULES = (
    "blockquote", "emphasis", "backticks", "escape", "fence", "heading", "hr", "list", "table", "balance_pairs",
    "fragments_join",
)  # fmt: skip
_MARKED = re.compile(
    r"\\[(\[]|\\begin\{|\$|\*\*|`|(?<![\w*])\*\w|^[ \t]*(?:#{1,6}[ \t]|[-+*][ \t]|\d{1,3}[.)][ \t]|>|\||-{3,})",
    re.MULTILINE,
)
"""A sign that a text has more than plain paragraphs."""

_CLOSINGS = {r"\(": r"\)", r"\[": r"\]", "$$": "$$", "$": "$"}
_ENVIRONMENT = re.compile(r"\\begin\{((?:align|equation|gather|multline|alignat|eqnarray)\*?)\}")
_BLOCK_START = re.compile(r"\\\[|\$\$|" + _ENVIRONMENT.pattern)


def markdown_tree(text: str) -> list[Node] | None:
    """Return the blocks of a text; None if it is plain, too long to parse, or nested too deeply."""
    if len(text) > LONGEST or not _MARKED.search(text):
        return None
    tokens = [token for piece in _pieces(text) for token in _parser().parse(piece)]
    if any(token.level > NESTING - 5 for token in tokens):
        return None
    return _tree(tokens)


def _pieces(text: str) -> Iterator[str]:
    """Yield the text in pieces that end between paragraphs, if possible."""
    start = 0
    while len(text) - start > PIECE:
        end = text.rfind("\n\n", start + 1, start + PIECE)
        end = end if end >= 0 else start + PIECE
        yield text[start:end]
        start = end
    yield text[start:]


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("zero", {"html": False, "maxNesting": NESTING})
    parser.enable(list(_RULES))
    # It replaces NUL, which the page shows by its code.
    parser.disable("normalize")
    parser.block.ruler.before(
        "fence", "formula", _block_formula, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )
    parser.inline.ruler.before("escape", "formula", _inline_formula)
    parser.inline.ruler.before("emphasis", "literal", _literal)
    return parser


def formula_end(text: str, start: int) -> tuple[int, int, str] | None:
    """Return the offsets after the opening mark and of the closing mark of the formula at `start`, and that mark.

    A dollar opens before a character that is not a space, and closes after one, not before a digit (as in Pandoc):
    other dollars are money. An environment is its own formula: both marks are inside of it.
    """
    environment = _ENVIRONMENT.match(text, start)
    if environment:
        closing = f"\\end{{{environment[1]}}}"
        end = text.find(closing, environment.end(), start + MOST)
        return None if end < 0 else (start, end + len(closing), "")
    opening = next((mark for mark in _CLOSINGS if text.startswith(mark, start)), None)
    if opening is None:
        return None
    body, closing = start + len(opening), _CLOSINGS[opening]
    end = text.find(closing, body, body + MOST)
    if end <= body:
        return None
    if opening == "$":
        while end >= 0 and text[end - 1] == "\\":
            end = text.find(closing, end + 1, body + MOST)
        if (
            "\n" in text[body:end]
            or text[body].isspace()
            or text[end - 1].isspace()
            or text[end + 1 : end + 2].isdigit()
        ):
            return None
    return body, end, closing


def _inline_formula(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "\\$":
        return False
    found = formula_end(state.src[: state.posMax], state.pos)
    if found is None:
        return False
    start, end, closing = found
    if not silent:
        token = state.push("formula", "math", 0)
        token.content = state.src[start:end].strip()
        token.markup = state.src[state.pos : start]
    state.pos = end + len(closing)
    return True


def _block_formula(state: StateBlock, first: int, last: int, silent: bool) -> bool:
    """Read a displayed formula that begins a line, so that its lines are not read as lists or headings."""
    start = state.bMarks[first] + state.tShift[first]
    if state.is_code_block(first) or not _BLOCK_START.match(state.src, start):
        return False
    found = formula_end(state.src, start)
    if found is None:
        return False
    body, end, closing = found
    after = end + len(closing)
    line = first
    while line + 1 < last and state.eMarks[line] < after:
        line += 1
    # Text after the formula on its last line: then it is part of a paragraph.
    if state.eMarks[line] < after or state.src[after : state.eMarks[line]].strip(" .,;"):
        return False
    if silent:
        return True
    token = state.push("formula", "math", 0)
    token.content = state.src[body:end].strip()
    token.markup = state.src[start:body] or "\\["
    token.map = [first, line + 1]
    state.line = line + 1
    return True


def _literal(state: StateInline, silent: bool) -> bool:
    """Keep asterisks between operands, as in 2*x + 3*y**2, and all underscores: names have them more often."""
    start = state.pos
    if state.src[start] == "_":
        if not silent:
            state.pending += "_"
        state.pos += 1
        return True
    if state.src[start] != "*" or start == 0:
        return False
    end = start
    while end < state.posMax and state.src[end] == "*":
        end += 1
    before, after = state.src[start - 1], state.src[end : end + 1]
    if not ((before.isalnum() or before in ")]_") and (after.isalnum() or after in ("(", "_"))):
        return False
    if not silent:
        state.pending += state.src[start:end]
    state.pos = end
    return True


def _tree(tokens: list[Token]) -> list[Node]:
    root: list[Node] = []
    open_: list[list[Node]] = [root]
    for token in tokens:
        if token.type == "inline":
            open_[-1].extend(_tree(token.children or []))
        elif token.hidden:
            continue
        elif token.nesting == 1:
            children: list[Node] = []
            start = token.attrGet("start") if token.tag == "ol" else None
            open_[-1].append([token.tag, children, {"start": start}] if start else [token.tag, children])
            open_.append(children)
        elif token.nesting == -1:
            open_.pop()
        else:
            _add(open_[-1], _leaf(token))
    return root


def _leaf(token: Token) -> Node:
    if token.type == "formula":
        display = token.markup != "$" and token.markup != r"\("
        formula = mathml(token.content, display=display)
        source = token.content
        return ["math", [source] if formula is None else [source, formula], {"display": display}]
    if token.type in ("fence", "code_block"):
        return ["pre", [token.content]]
    if token.type == "code_inline":
        return ["code", [token.content]]
    if token.type == "hr":
        return ["hr", []]
    return "\n" if token.type in ("softbreak", "hardbreak") else token.content


def _add(children: list[Node], node: Node) -> None:
    """Append a node; join texts."""
    if isinstance(node, str) and children and isinstance(children[-1], str):
        children[-1] += node
    elif node:
        children.append(node)
