"""The sense of a program's objective: a solver's direction, turned by each minus in front of the objective."""

import ast
from typing import Literal

from storm_calm.agents.triggers.evidence import Code, last_name
from storm_calm.agents.triggers.signs import Signs

Sense = Literal["maximize", "minimize"]

MAXIMIZING = {"Maximize", "maximize", "SetMaximization", "LpMaximize", "MAXIMIZE"}
MINIMIZING = {"Minimize", "minimize", "SetMinimization", "LpMinimize", "MINIMIZE"}
ALWAYS_MINIMIZING = {"linprog", "milp"}
FUNCTIONS = {"minimize", "minimize_scalar", "differential_evolution"}
"""SciPy's minimizers of functions: the sense depends on the function."""
OBJECTIVES = {"Maximize": "maximize", "Minimize": "minimize"}
"""Calls that take the objective."""


def programmed_senses(code: Code) -> set[Sense]:
    """Return the senses of a program; none if a minus leaves it open.

    `linprog` of negative costs maximizes, and so does `minimize` of a function that returns the negative.
    """
    signs = Signs(code.tree)
    senses: set[Sense] = {"maximize"} if code.words & MAXIMIZING else set()
    senses |= {"minimize"} if code.words & MINIMIZING else set()
    turned: set[Sense] = set()
    for call in code.nodes(ast.Call):
        name = last_name(call.func)
        if name in ALWAYS_MINIMIZING:
            cost = call.args[0] if call.args else _keyword(call, "c")
            sense = _minimized(signs, signs.body(cost) or cost)
        elif name in FUNCTIONS and _is_scipy(call, code):
            body = signs.body(call.args[0] if call.args else _keyword(call, "fun"))
            sense = None if body is None else _minimized(signs, body)
            senses.discard("minimize")
        elif name in OBJECTIVES and call.args:
            sign = signs.of(call.args[0])
            sense = "minimize" if (name == "Maximize") == (sign == -1) else "maximize"
            senses -= {"maximize", "minimize"}
        else:
            continue
        if sense is None:
            return set()
        turned.add(sense)
    if senses and not turned and _negates(code):
        return set()
    return senses | turned


def _minimized(signs: Signs, cost: ast.expr | None) -> Sense | None:
    """Return the sense of minimizing `cost`; None if its terms have both signs or are not shown."""
    sign = signs.of(cost)
    if cost is None or sign in (None, 0):
        return None
    return "maximize" if sign == -1 else "minimize"


def _is_scipy(call: ast.Call, code: Code) -> bool:
    """Return whether a call named `minimize` is SciPy's, and not a method such as `model.minimize(cost)`."""
    scipy = isinstance(call.func, ast.Name) or bool({"scipy", "x0", "constraints", "method"} & code.words)
    return last_name(call.func) != "minimize" or scipy


def _negates(code: Code) -> bool:
    """Return whether the program negates anything but infinity and printed results."""
    printed = {
        id(part) for call in code.nodes(ast.Call) if last_name(call.func) in ("print",) for part in ast.walk(call)
    }
    return any(
        isinstance(node.op, ast.USub) and id(node) not in printed and not _is_infinity(node.operand)
        for node in code.nodes(ast.UnaryOp)
    )


def _is_infinity(node: ast.expr) -> bool:
    name = last_name(node.func if isinstance(node, ast.Call) else node)
    return name.lower() in ("inf", "infinity", "infty", "kinf", "kinfinity", "kmininf", "float")


def _keyword(call: ast.Call, name: str) -> ast.expr | None:
    return next((keyword.value for keyword in call.keywords if keyword.arg == name), None)
