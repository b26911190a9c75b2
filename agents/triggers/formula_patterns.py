"""Patterns of formulas in LaTeX or plain text that several rules share."""

COMPARISON = r"(?:\\[lg]eq?(?:slant)?|<=|>=|≤|≥)"
"""An inequality sign."""

FORMULA_END = r"(?=\s*(?:\\?[)\]}$,;.(]|\\\\|\\quad|\\text|\n|$|and\b|for\b|which\b))"
"""What may follow a formula: no variable and no operator."""
