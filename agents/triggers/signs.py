"""The signs of expressions in a program, and the constant values that its names have.

    signs = Signs(tree)
    signs.of(node)      # -1 for `-(3 * x + 4 * y)`, 1 for `3 * x`, None for `3 * x - 4 * y`

Variables and data are taken as positive: the sign is the one that the program writes.
"""

import ast
from collections.abc import Iterator
from functools import cached_property

from storm_calm.agents.triggers.evidence import last_name

MAX_DEPTH = 12
"""Nesting up to which expressions are read."""

ARRAYS = {"array", "asarray", "list", "tuple", "sum", "lpSum", "quicksum", "Sum", "abs", "float", "matrix"}
"""Functions whose value has the sign of their first argument."""


class Signs:
    """The signs of expressions in one program."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        # Names may be defined by names, so without this the time would double with each of them.
        self._found: dict[int, int | None] = {}

    def of(self, node: ast.expr | None, depth: int = 0) -> int | None:
        """Return 1, -1, 0 for zero, or None if the terms have both signs."""
        if depth > MAX_DEPTH:
            return 1
        if id(node) not in self._found:
            self._found[id(node)] = self._of(node, depth)
        return self._found[id(node)]

    def _of(self, node: ast.expr | None, depth: int) -> int | None:
        match node:
            case ast.Constant(value=bool() | str() | None):
                return 1
            case ast.Constant(value=int() | float() as value):
                return (value > 0) - (value < 0)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                sign = self.of(operand, depth + 1)
                return None if sign is None else -sign
            case ast.BinOp(op=ast.Mult() | ast.Div() | ast.MatMult(), left=left, right=right):
                first, second = self.of(left, depth + 1), self.of(right, depth + 1)
                return None if first is None or second is None else first * second
            case ast.BinOp(op=ast.Add(), left=left, right=right):
                return _common((self.of(left, depth + 1), self.of(right, depth + 1)))
            case ast.BinOp(op=ast.Sub(), left=left, right=right):
                second = self.of(right, depth + 1)
                return _common((self.of(left, depth + 1), None if second is None else -second))
            case ast.List(elts=elements) | ast.Tuple(elts=elements):
                return _common(self.of(element, depth + 1) for element in elements[:200])
            case ast.ListComp(elt=element) | ast.GeneratorExp(elt=element):
                return self.of(element, depth + 1)
            case ast.Call(args=[first_argument, *_]) if last_name(node.func) in ARRAYS:
                return self.of(first_argument, depth + 1)
            case ast.Name(id=name):
                stands_for = self.values.get(name)
                return 1 if stands_for is None else self.of(stands_for, depth + 1)
        return 1

    def resolve(self, node: ast.expr | None, depth: int = 0) -> ast.expr | None:
        """Return the expression that a name stands for if it is assigned once; arrays are returned as their list."""
        if depth > MAX_DEPTH:
            return node
        match node:
            case ast.Name(id=name) if name in self.values:
                return self.resolve(self.values[name], depth + 1)
            case ast.Call(args=[inner, *_]) if last_name(node.func) in ("array", "asarray", "list"):
                return self.resolve(inner, depth + 1)
        return node

    @cached_property
    def values(self) -> dict[str, ast.expr]:
        """The values of names that are assigned exactly once."""
        found: dict[str, list[ast.expr | None]] = {}
        for node in ast.walk(self._tree):
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    found.setdefault(name, []).append(value)
                case ast.AugAssign(target=ast.Name(id=name)) | ast.For(target=ast.Name(id=name)) | ast.arg(arg=name):
                    found.setdefault(name, []).append(None)
        return {name: values[0] for name, values in found.items() if len(values) == 1 and values[0] is not None}

    @cached_property
    def functions(self) -> dict[str, ast.expr]:
        """The returned expression of each function that has one `return`."""
        found: dict[str, ast.expr] = {}
        for node in ast.walk(self._tree):
            if isinstance(node, ast.FunctionDef):
                returned = [one.value for one in ast.walk(node) if isinstance(one, ast.Return) and one.value]
                if len(returned) == 1:
                    found[node.name] = returned[0]
        return found

    def body(self, function: ast.expr | None) -> ast.expr | None:
        """Return the expression that a function returns: a lambda, or the name of one or of a `def`."""
        match function:
            case ast.Lambda(body=body):
                return body
            case ast.Name(id=name) if name in self.functions:
                return self.functions[name]
            case ast.Name(id=name) if isinstance(value := self.values.get(name), ast.Lambda):
                return value.body
        return None


def _common(signs: Iterator[int | None] | tuple[int | None, ...]) -> int | None:
    """Return the sign that all terms share, zeros aside; None if they differ."""
    found = set(signs) - {0}
    if not found:
        return 0
    return found.pop() if len(found) == 1 else None
