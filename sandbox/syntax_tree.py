"""Syntax trees of text that a model wrote, which may be anything."""

from __future__ import annotations

import ast

_MAX_ATTEMPTS = 5


def parse(code: str) -> ast.Module | None:
    """The syntax tree of `code`; None where it does not parse."""
    for _ in range(_MAX_ATTEMPTS):
        try:
            return ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        except SystemError:
            # Python 3.11 counts its depth for all threads together: another parse came in between ("AST constructor
            # recursion depth mismatch"), which says nothing about the text.
            continue
    return None
