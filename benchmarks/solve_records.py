"""Measure what recording a solve costs: the time of a solve without and with records, and of the check of its plan.

    python -m benchmarks.solve_records
    python -m benchmarks.solve_records pulp scipy --rows 1000 --runs 9

Every program solves the same covering model through another library: minimize the cost of 1,000 variables under 500
rows with 20 coefficients each (10,000 nonzeros). Runs with and without records alternate; times are medians in ms, of
the call of the solve function. `check` is the recomputation on the caller's side, `confirm` the second solve.
"""

import argparse
import statistics
from dataclasses import asdict, dataclass
from time import perf_counter

from benchmarks.common import format_facts, machine
from storm_calm.env.plans.checks import check, confirm
from storm_calm.env.plans.record import read_records
from storm_calm.sandbox import Limits, Sandbox, open_sandbox

DATA = """
import random, time
random.seed(7)
ROWS, COLUMNS, EACH = {rows}, {columns}, 20
entries = [sorted(random.sample(range(COLUMNS), EACH)) for _ in range(ROWS)]
weights = [[random.randint(1, 9) for _ in row] for row in entries]
need = [random.randint(20, 60) for _ in range(ROWS)]
cost = [random.randint(5, 30) for _ in range(COLUMNS)]
"""
TIMED = "begin = time.perf_counter()\n{solve}\nprint(time.perf_counter() - begin)\n"


@dataclass(frozen=True)
class Model:
    """The covering model in one library."""

    build: str
    solve: str


MODELS = {
    "pywraplp": Model(
        """
from ortools.linear_solver import pywraplp
m = pywraplp.Solver.CreateSolver("GLOP")
x = [m.NumVar(0, 9, f"x{j}") for j in range(COLUMNS)]
for row, values, least in zip(entries, weights, need):
    m.Add(sum(a * x[j] for a, j in zip(values, row)) >= least)
m.Minimize(sum(c * one for c, one in zip(cost, x)))
""",
        "m.Solve()",
    ),
    "model_builder": Model(
        """
from ortools.linear_solver.python import model_builder
m = model_builder.Model()
x = [m.new_num_var(0, 9, f"x{j}") for j in range(COLUMNS)]
for row, values, least in zip(entries, weights, need):
    m.add(sum(a * x[j] for a, j in zip(values, row)) >= least)
m.minimize(sum(c * one for c, one in zip(cost, x)))
s = model_builder.Solver("glop")
""",
        "s.solve(m)",
    ),
    "math_opt": Model(
        """
from ortools.math_opt.python import mathopt
m = mathopt.Model()
x = [m.add_variable(lb=0, ub=9, name=f"x{j}") for j in range(COLUMNS)]
for row, values, least in zip(entries, weights, need):
    m.add_linear_constraint(sum(a * x[j] for a, j in zip(values, row)) >= least)
m.minimize(sum(c * one for c, one in zip(cost, x)))
""",
        "mathopt.solve(m, mathopt.SolverType.GLOP)",
    ),
    "cp_sat": Model(
        """
from ortools.sat.python import cp_model
m = cp_model.CpModel()
x = [m.new_int_var(0, 9, f"x{j}") for j in range(COLUMNS)]
for row, values, least in zip(entries, weights, need):
    m.add(sum(a * x[j] for a, j in zip(values, row)) >= least)
m.minimize(sum(c * one for c, one in zip(cost, x)))
s = cp_model.CpSolver()
s.parameters.max_time_in_seconds = 1
""",
        "s.solve(m)",
    ),
    "pulp": Model(
        """
import pulp
m = pulp.LpProblem("m", pulp.LpMinimize)
x = [pulp.LpVariable(f"x{j}", 0, 9) for j in range(COLUMNS)]
m += pulp.lpSum(c * one for c, one in zip(cost, x))
for row, values, least in zip(entries, weights, need):
    m += pulp.lpSum(a * x[j] for a, j in zip(values, row)) >= least
""",
        "m.solve(pulp.PULP_CBC_CMD(msg=False))",
    ),
    "pyomo": Model(
        """
import pyomo.environ as po
m = po.ConcreteModel()
m.x = po.Var(range(COLUMNS), bounds=(0, 9))
def row(m, i):
    return sum(a * m.x[j] for a, j in zip(weights[i], entries[i])) >= need[i]
m.rows = po.Constraint(range(ROWS), rule=row)
m.cost = po.Objective(expr=sum(cost[j] * m.x[j] for j in range(COLUMNS)))
s = po.SolverFactory("appsi_highs")
""",
        "s.solve(m)",
    ),
    "scipy": Model(
        """
import numpy as np
from scipy.optimize import linprog
A = np.zeros((ROWS, COLUMNS))
for i, (row, values) in enumerate(zip(entries, weights)):
    A[i, row] = values
""",
        "linprog(cost, A_ub=-A, b_ub=[-one for one in need], bounds=(0, 9))",
    ),
    "cvxpy": Model(
        """
import numpy as np, cvxpy as cp
from scipy.sparse import coo_matrix
places = [(i, j) for i, row in enumerate(entries) for j in row]
A = coo_matrix(([a for row in weights for a in row], tuple(zip(*places))), (ROWS, COLUMNS)).tocsr()
x = cp.Variable(COLUMNS, name="x")
m = cp.Problem(cp.Minimize(np.array(cost) @ x), [A @ x >= np.array(need), x >= 0, x <= 9])
""",
        "m.solve(solver='HIGHS')",
    ),
    "highspy": Model(
        """
import highspy
m = highspy.Highs()
m.setOptionValue("output_flag", False)
x = [m.addVariable(0, 9, cost[j]) for j in range(COLUMNS)]
for row, values, least in zip(entries, weights, need):
    m.addRow(least, highspy.kHighsInf, len(row), row, values)
""",
        "m.run()",
    ),
    "pyscipopt": Model(
        """
from pyscipopt import Model, quicksum
m = Model()
m.hideOutput()
x = [m.addVar(f"x{j}", lb=0, ub=9) for j in range(COLUMNS)]
for row, values, least in zip(entries, weights, need):
    m.addCons(quicksum(a * x[j] for a, j in zip(values, row)) >= least)
m.setObjective(quicksum(c * one for c, one in zip(cost, x)))
""",
        "m.optimize()",
    ),
    "gurobipy": Model(
        """
import gurobipy as gp
m = gp.Model()
m.setParam("OutputFlag", 0)
x = m.addVars(COLUMNS, ub=9, obj=cost)
for row, values, least in zip(entries, weights, need):
    m.addConstr(gp.quicksum(a * x[j] for a, j in zip(values, row)) >= least)
""",
        "m.optimize()",
    ),
    "coptpy": Model(
        """
import coptpy as cp
m = cp.Envr().createModel("m")
m.setParam("Logging", 0)
x = [m.addVar(ub=9, obj=cost[j]) for j in range(COLUMNS)]
for row, values, least in zip(entries, weights, need):
    m.addConstr(cp.quicksum(a * x[j] for a, j in zip(values, row)) >= least)
""",
        "m.solve()",
    ),
}
"""All models by library."""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The medians of one library, in milliseconds."""

    off: float
    on: float
    more: float
    """The median difference of a pair of runs."""
    check: float
    confirm: float
    outcome: str


def measure(sandbox: Sandbox, model: Model, *, rows: int, runs: int) -> Cost:
    """Run a model without and with records in turn."""
    code = DATA.format(rows=rows, columns=2 * rows) + model.build + TIMED.format(solve=model.solve)
    limits = Limits(seconds=60, memory_mb=4096)
    times: dict[bool, list[float]] = {False: [], True: []}
    checks, confirms, outcome = [], [], ""
    for _ in range(runs):
        for record in (False, True):
            execution = sandbox.run(code, record=record, limits=limits)
            if execution.status != "ok":
                raise SystemExit(f"the program failed: {execution.stderr[-500:]}")
            times[record].append(1000 * float(execution.stdout.split()[-1]))
        [solve] = read_records(execution)
        begin = perf_counter()
        found = check(solve)
        checked = perf_counter()
        confirmed = confirm(found, solve, sandbox)
        checks.append(1000 * (checked - begin))
        confirms.append(1000 * (perf_counter() - checked))
        outcome = "; ".join((confirmed.outcome, *confirmed.faults, *confirmed.unchecked))
    return Cost(
        off=statistics.median(times[False]),
        on=statistics.median(times[True]),
        more=statistics.median(on - off for off, on in zip(times[False], times[True], strict=True)),
        check=statistics.median(checks),
        confirm=statistics.median(confirms),
        outcome=outcome,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("libraries", nargs="*", help=f"of {', '.join(MODELS)} (default: all)")
    parser.add_argument("--rows", type=int, default=500, help="rows of the model, with 20 coefficients each")
    parser.add_argument("--runs", type=int, default=5, help="pairs of runs")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    settings = parser.parse_args()
    if unknown := set(settings.libraries) - set(MODELS):
        parser.error(f"unknown library {min(unknown)!r}; must be one of {', '.join(MODELS)}")
    found = {}
    if not settings.json:
        print(format_facts(machine()))
        print(f"{'library':14} {'off':>8} {'on':>8} {'more':>7} {'check':>7} {'confirm':>8}  ms")
    with open_sandbox() as sandbox:
        for name in settings.libraries or MODELS:
            found[name] = cost = measure(sandbox, MODELS[name], rows=settings.rows, runs=settings.runs)
            if not settings.json:
                times = f"{cost.off:8.1f} {cost.on:8.1f} {cost.more:7.1f} {cost.check:7.1f} {cost.confirm:8.1f}"
                print(f"{name:14} {times}  {cost.outcome}", flush=True)
    if settings.json:
        import json

        print(json.dumps({name: asdict(cost) for name, cost in found.items()}, indent=2))


if __name__ == "__main__":
    main()
