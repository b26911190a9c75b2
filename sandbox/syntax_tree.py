"""Syntax trees of untrusted source text."""

import ast

_MAX_ATTEMPTS = 5


def parse(code: str) -> ast.Module | None:
    """Return the syntax tree of `code`, or None if it does not parse."""
    for _ in range(_MAX_ATTEMPTS):
        try:
            return ast.parse(code)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        except SystemError:
            # Python 3.11 counts the recursion depth of all threads together ("AST constructor recursion depth
            # mismatch"): a parse in another thread can cause this error for valid text.
            continue
    return None
