"""Make the published program of a test set run in the sandbox, with its text as published.

    with_preamble(text, write_files({"instance.json": "..."}) + record_result(with_objective=True))

Published programs expect the folder of their instance, and print their results in many ways. A preamble before the
first statement writes what the workspace does not contain, and prints the result of the last solve at the end.
"""

import ast
from collections.abc import Mapping

_RECORD_RESULT = """\
# Print the result of the last solve when the program ends.
import atexit

import gurobipy


def record_result(original=gurobipy.Model.optimize, codes=gurobipy.GRB, with_objective={with_objective}):
    results = [(None, None)]

    def optimize(model, *arguments, **options):
        original(model, *arguments, **options)
        if model.Status == codes.INF_OR_UNBD:
            # Presolve does not find out which of the two it is.
            model.Params.DualReductions = 0
            original(model)
        results.append((model.Status, model.ObjVal if model.SolCount else None))

    def show():
        status, objective = results[-1]
        if status in (codes.INFEASIBLE, codes.UNBOUNDED):
            print(f"status: {{'infeasible' if status == codes.INFEASIBLE else 'unbounded'}}")
        elif objective is not None and with_objective:
            print(f"objective: {{objective!r}}{{'' if status == codes.OPTIMAL else ' (not proved optimal)'}}")

    gurobipy.Model.optimize = optimize
    atexit.register(show)


record_result()

"""


def record_result(*, with_objective: bool) -> str:
    """Return a preamble that prints the result of the last solve with gurobipy when the program ends.

    It is "status: infeasible", "status: unbounded" or, with_objective, "objective: " and the value.
    """
    return _RECORD_RESULT.format(with_objective=with_objective)


def write_files(files: Mapping[str, str]) -> str:
    """Return a preamble that writes text files into the program's folder."""
    lines = [f"    {path!r}: {text!r},\n" for path, text in files.items()]
    return (
        "# Files that the program expects.\n"
        "import os\n\n"
        f"for _path, _text in {{\n{''.join(lines)}}}.items():\n"
        "    os.makedirs(os.path.dirname(os.path.abspath(_path)), exist_ok=True)\n"
        '    with open(_path, "w", encoding="utf-8") as _file:\n'
        "        _file.write(_text)\n\n"
    )


def with_preamble(text: str, preamble: str) -> str:
    """Return the program with a preamble after its docstring and its `__future__` imports.

    Raises ValueError if the program does not parse.
    """
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(f"not a Python program ({error})") from None
    first = 0
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        first = body[0].end_lineno or 0
    for statement in body:
        if isinstance(statement, ast.ImportFrom) and statement.module == "__future__":
            first = statement.end_lineno or 0
    lines = text.splitlines(keepends=True)
    before = "".join(lines[:first])
    return f"{before}{'' if not before or before.endswith(chr(10)) else chr(10)}{preamble}{''.join(lines[first:])}"
