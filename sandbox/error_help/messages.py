"""Help on known error messages of the solver libraries."""

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from storm_calm.sandbox.error_help import usages
from storm_calm.sandbox.error_help.failure import Failure


@dataclass(frozen=True, slots=True)
class _Rule:
    """Help on messages that match `pattern`, if the program uses `library` ("": any)."""

    library: str
    pattern: re.Pattern[str]
    text: str | Callable[[Failure], str]


def help_on(failure: Failure) -> str:
    """Return help on a known message; "" for others."""
    if not failure.libraries:
        return ""
    if _is_product(failure):
        return _PRODUCT
    for rule in _RULES:
        if (not rule.library or failure.uses(rule.library)) and rule.pattern.search(failure.message):
            return rule.text if isinstance(rule.text, str) else rule.text(failure)
    return ""


def _rule(library: str, pattern: str, text: str | Callable[[Failure], str]) -> _Rule:
    return _Rule(library, re.compile(pattern), text)


def _is_product(failure: Failure) -> bool:
    """Return whether `pywraplp` refused a product of variables, for which it raises an empty TypeError."""
    last = str(failure.frames[-1].f_globals.get("__name__")) if failure.frames else ""
    return isinstance(failure.error, TypeError) and not failure.message and last.startswith("ortools.linear_solver.")


def _usage(owner: str, name: str) -> str:
    return f"Use {usages.usage(owner, name)}."


def _cvxpy_solvers(failure: Failure) -> str:
    cvxpy: Any = sys.modules["cvxpy"]
    there = ", ".join(cvxpy.installed_solvers())
    return (
        "Leave `solver=` out, or for integer and boolean variables use `problem.solve(solver=cp.HIGHS)`. "
        f"Installed solvers: {there}."
    )


def _pulp_failed(failure: Failure) -> str:
    for frame in failure.frames:
        objective = getattr(frame.f_locals.get("lp"), "objective", None)
        if type(objective).__name__ == "LpConstraint":
            return (
                "The objective is a constraint. Give an expression: `problem += 2 * x + 3 * y`, without `<=` or `>=`."
            )
    return "CBC could not read the model. Check that no coefficient is infinite or NaN."


def _comparison(failure: Failure) -> str:
    return _EXTREME if re.search(r"\b(?:max|min|sorted)\(", failure.line) else _STRICT


def _called_value(failure: Failure) -> str:
    """Return help on a value that is called: `x.varValue()`."""
    called = [name for name in re.findall(r"\.(\w+)\(\)", failure.line) if name in _VALUES]
    return f"`{called[0]}` is a value, not a function. Write it without `()`." if len(called) == 1 else ""


def without_solution(failure: Failure) -> str:
    """Return help on a use of None, which libraries return instead of a solution."""
    if not isinstance(failure.error, (AttributeError, TypeError)):
        return ""
    if failure.uses("pulp") and "objective" in failure.line and _without_objective(failure):
        return f"The problem has no objective. {_usage('pulp.LpProblem', 'objective')} Write it without `<=` or `>=`."
    status = next((usages.quoted(text) for library, text in _STATUS.items() if failure.uses(library)), "")
    if not status:
        return ""
    return f"A value is None, as after a solve without a solution or before any solve. Print {status} first."


def _without_objective(failure: Failure) -> bool:
    problems = [value for value in failure.program_values().values() if type(value).__name__ == "LpProblem"]
    return any(getattr(problem, "objective", "") is None for problem in problems)


_STATUS = {
    "cvxpy": "problem.status",
    "pulp": "pulp.LpStatus[problem.status]",
    "scipy": "res.message",
    "pyomo": "results.solver.termination_condition",
}
_STRICT = "Use `<=` or `>=` instead of `<` or `>`. For a whole number, x > 3 means x >= 4."
_EXTREME = (
    "`max()` and `min()` take no variables. For the largest of x and y, add a variable z with z >= x and z >= y; for "
    "the smallest, with z <= x and z <= y."
)
_VALUES = frozenset(
    ("varValue", "value", "X", "x", "ObjVal", "objVal", "objval", "objective_value", "status", "Status", "fun")
)
_TRUTH = (
    "A constraint has no truth value: no `and`, `or`, `not`, `if`, `max()`, `min()` and no chains with variables. "
    "Give each constraint on its own: `x >= 1`, `x <= 3`."
)
_PRODUCT = (
    "A linear model has no products, ratios or powers of variables. A product of two 0/1 variables is a variable z "
    "with z <= x, z <= y, z >= x + y - 1."
)
_WHOLE = (
    "CP-SAT takes whole numbers only. Multiply the whole constraint or objective by 10 or 100 until it has no "
    "fractions, or use `pywraplp` with SCIP."
)
_EXPRESSIONS = "LpVariable|LpAffineExpression|LpConstraint|Var|MVar|LinExpr|QuadExpr|highs_\\w+|VariableExpr|SumArray"

_RULES = (
    _rule(
        "",
        rf"unsupported operand type\(s\) for (?:/|//|%|\*|\*\* or pow\(\)): .*'(?:Variable|{_EXPRESSIONS})'",
        _PRODUCT,
    ),
    _rule("", r"[Ss]trict inequalit|Operators \"<\" and \">\" not supported|only support with '<='", _STRICT),
    _rule(
        "",
        rf"'[<>]' not supported between instances of (?:'(?:{_EXPRESSIONS})'|.* and '(?:{_EXPRESSIONS})')",
        _comparison,
    ),
    _rule("", r"'(?:float|int|str|bool|NoneType)' object is not callable", _called_value),
    _rule(
        "",
        r"truth value of a constraint|BoundedLinearExpression .*as a Boolean|constant \w+ value of|bool\(\) of",
        _TRUTH,
    ),
    _rule("ortools.sat", r"only accept integer values|not a linear expression.*\.\d|Domain\(arg0: int", _WHOLE),
    _rule(
        "ortools.sat",
        r"calling \*\* on a linear|__mul__\(\): incompatible",
        "A product or a power of variables is a variable of its own: `model.add_multiplication_equality(z, [x, y])`.",
    ),
    _rule("ortools.sat", r"__[lgen][et]__\(\): incompatible[\s\S]*, -?\d+\.\d+\s*\Z", _WHOLE),
    _rule("ortools.sat", r"with_name\(\): incompatible", _usage("cp_model.CpModel", "variable")),
    _rule(
        "ortools.sat",
        r"calling (?:/|//|%) on a linear expression",
        "CP-SAT has no division of variables. Multiply both sides instead: 2 * x <= y, not x <= y / 2.",
    ),
    _rule("ortools.sat", r"solve\(\) has not been called", f"Solve first. {_usage('cp_model.CpSolver', 'solve')}"),
    _rule("cvxpy", r"objective must be Minimize or Maximize", _usage("cvxpy.Problem", "objective")),
    _rule(
        "cvxpy",
        r"DCP rules|not DCP|[Uu]nknown curvature",
        "cvxpy takes convex models only: minimize a convex or maximize a concave expression; no products or ratios of "
        "two variables. Write a ratio limit as x <= 0.3 * (x + y).",
    ),
    _rule(
        "cvxpy", r"[Tt]he solver \w+ (?:is not installed|cannot solve)|mixed-integer|[Mm]ixed integer", _cvxpy_solvers
    ),
    _rule("cvxpy", r"Either candidate conic solvers|No installed solver", _cvxpy_solvers),
    _rule("cvxpy", r"must resolve to a scalar", "The objective must be one number: `cp.sum(x)`, or `prices @ x`."),
    _rule("cvxpy", r"'(?:Inequality|Equality)' object is not iterable", _usage("cvxpy.Problem", "create")),
    _rule("pulp", r"object of type 'LpVariable' has no len", _PRODUCT),
    _rule("pulp", r"has no attribute 'actualSolve'", _usage("pulp.LpProblem", "solve")),
    _rule("pulp", r"Can only add LpConstraint|Cannot add objects", _usage("pulp.LpProblem", "constraint")),
    _rule(
        "",
        r"Non-constant expressions cannot be|^Nonlinear|nonlinear objective|^Quadratic.*not supported",
        _PRODUCT,
    ),
    _rule(
        "pulp",
        r"^PuLP: (?:cannot|.*not available)|[Ss]olver .* (?:un|not )available",
        _usage("pulp.LpProblem", "solve"),
    ),
    _rule("pulp", r"Error while trying to execute", _pulp_failed),
    _rule("pyomo", r"Cannot create a Set from data", _usage("pyomo.ConcreteModel", "constraint")),
    _rule(
        "pyomo",
        r"feasible solution was not found",
        "The model is infeasible or unbounded. Use `results = solver.solve(model, load_solutions=False)` and print "
        "`results.solver.termination_condition`.",
    ),
    _rule("pyscipopt", r"given constraint is not ExprCons", _usage("pyscipopt.Model", "constraint")),
    _rule("pyscipopt", r"unrecognized optimization sense", _usage("pyscipopt.Model", "objective")),
    _rule("pyomo", r"No executable found|unavailable solver|not available", _usage("pyomo.ConcreteModel", "solve")),
    _rule(
        "pyomo",
        r"No value for uninitialized",
        "The variable has no value, as before a solve or after one without a solution. Print "
        "`results.solver.termination_condition` first.",
    ),
    _rule(
        "",
        r"size-limited licen[cs]e|[Ll]icen[cs]e.*(?:size|limit)|exceeds? the .*licen[cs]e",
        "The installed licence allows small models only. Use a solver without a licence: HiGHS, SCIP or CBC, for "
        "example with `pulp`, `highspy` or `pyscipopt`.",
    ),
    _rule(
        "gurobipy",
        r"Unable to retrieve attribute",
        "There is no solution to read. Check `model.Status == gp.GRB.OPTIMAL` after `model.optimize()` first.",
    ),
    _rule(
        "scipy",
        r"unable to interpret bounds|Invalid input for linprog|inconsistent shapes?.*A_",
        _usage("linprog", "linprog"),
    ),
    _rule(
        "scipy.optimize",
        r"not '(?:function|method)'",
        f"`linprog` takes numbers, not functions. {_usage('linprog', 'linprog')}",
    ),
    _rule("scipy", r"Unknown solver '", 'Use `method="highs"`, or leave `method` out.'),
    _rule(
        "scipy",
        r"number of bounds|length of bounds|bounds.*(?:length|shape|compatible)",
        f"One (low, high) pair per variable. {_usage('minimize', 'minimize')}",
    ),
    _rule("", r"NoneType(?!' object has no attribute)", without_solution),
)
