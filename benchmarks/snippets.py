"""24 kinds of solve, as programs that a language model would write for a word problem: what the benchmarks run.

    python -m benchmarks.snippets                     # every kind once, each in a fresh python
    python -m benchmarks.snippets scipy_milp --seed 3 --show

`program(kind, seed)` gives the text: numbers drawn from the seed, a model, and one line `OBJ ...` with what the solver
said. The numbers stand in the program as they would in a model's answer. Only the objective is printed, as it is the
same for all optimal solutions.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Numbers = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A library and solver, with the problem that the program puts to it."""

    numbers: Callable[[random.Random], Numbers]
    """Draws the problem's numbers: names and values that stand at the top of the program."""
    text: str
    """The program below its numbers."""


def program(kind: str, seed: int) -> str:
    """The program of `kind` with the numbers of `seed`."""
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r} is none of {', '.join(KINDS)}")
    numbers = KINDS[kind].numbers(random.Random(f"{kind} {seed}"))
    return "".join(f"{name} = {value!r}\n" for name, value in numbers.items()) + KINDS[kind].text


def mixed(count: int, seed: int = 0) -> list[tuple[str, str]]:
    """`count` pairs of a kind and a program: all kinds in turn, in an order of their own each time round."""
    order = random.Random(seed)
    programs: list[tuple[str, str]] = []
    while len(programs) < count:
        kinds = list(KINDS)
        order.shuffle(kinds)
        programs += [(kind, program(kind, seed * 100_000 + len(programs))) for kind in kinds]
    return programs[:count]


def answer(stdout: str) -> str | None:
    """The `OBJ` line of what a program printed; None where there is not just one."""
    lines = [line for line in stdout.splitlines() if line.startswith("OBJ ")]
    return lines[0] if len(lines) == 1 else None


@dataclass(frozen=True, kw_only=True, slots=True)
class FreshRun:
    """A program in a python process of its own."""

    stdout: str
    stderr: str
    exit_code: int
    seconds: float
    """From before the process's start to after its end."""


def run_fresh(code: str) -> FreshRun:
    """Run `code` as `python main.py` in a new folder: no isolation, one thread for linear algebra. The baseline."""
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "main.py").write_text(code)
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        run = subprocess.run(
            [sys.executable, "main.py"], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    return FreshRun(stdout=run.stdout, stderr=run.stderr, exit_code=run.returncode, seconds=time.perf_counter() - begin)


# The problems. Sizes are those of word problems and their little tables.


def _product_mix(draw: random.Random) -> Numbers:
    hours = [[draw.randint(1, 9) for _ in range(4)] for _ in range(3)]
    return {
        "profit": [draw.randint(20, 90) for _ in range(4)],
        "hours": hours,
        "available": [draw.randint(120, 240) for _ in range(3)],
    }


def _cargo(draw: random.Random) -> Numbers:
    weight = [draw.randint(5, 60) for _ in range(18)]
    volume = [draw.randint(2, 30) for _ in range(18)]
    return {
        "value": [draw.randint(10, 99) for _ in range(18)],
        "weight": weight,
        "volume": volume,
        "max_weight": sum(weight) // 3,
        "max_volume": sum(volume) // 3,
    }


def _assignment(draw: random.Random) -> Numbers:
    return {"cost": [[draw.randint(5, 60) for _ in range(7)] for _ in range(7)]}


def _warehouses(draw: random.Random) -> Numbers:
    demand = [draw.randint(10, 40) for _ in range(8)]
    return {
        "opening": [draw.randint(150, 400) for _ in range(5)],
        "capacity": [sum(demand) // 2 + draw.randint(0, 20) for _ in range(5)],
        "demand": demand,
        "unit_cost": [[draw.randint(2, 20) for _ in range(8)] for _ in range(5)],
    }


def _diet(draw: random.Random) -> Numbers:
    return {
        "price": [round(draw.uniform(0.5, 4.0), 2) for _ in range(8)],
        "content": [[draw.randint(1, 40) for _ in range(8)] for _ in range(4)],
        "needed": [draw.randint(60, 150) for _ in range(4)],
        "most": 6,
    }


def _transport(draw: random.Random) -> Numbers:
    demand = [draw.randint(10, 50) for _ in range(5)]
    first = sum(demand) // 3
    return {
        "supply": [first, first + draw.randint(5, 15), sum(demand) - first],
        "demand": demand,
        "cost": [[draw.randint(3, 30) for _ in range(5)] for _ in range(3)],
    }


def _jobs(draw: random.Random) -> Numbers:
    machines = [0, 1, 2]
    orders = [draw.sample(machines, 3) for _ in range(4)]
    return {"jobs": [[(machine, draw.randint(2, 9)) for machine in order] for order in orders]}


def _shifts(draw: random.Random) -> Numbers:
    return {"needed": [draw.randint(8, 30) for _ in range(7)], "wage": [draw.randint(90, 140) for _ in range(7)]}


def _cover(draw: random.Random) -> Numbers:
    areas = [[int(draw.random() < 0.35) for _ in range(14)] for _ in range(12)]
    for row in areas:
        row[draw.randrange(14)] = 1
    return {"covers": areas, "cost": [draw.randint(10, 50) for _ in range(14)]}


def _budget(draw: random.Random) -> Numbers:
    cost = [draw.randint(10, 60) for _ in range(12)]
    return {"gain": [draw.randint(15, 90) for _ in range(12)], "cost": cost, "budget": sum(cost) // 3}


def _portfolio(draw: random.Random) -> Numbers:
    return {
        "mean": [round(draw.uniform(0.02, 0.15), 4) for _ in range(8)],
        "factors": [[round(draw.gauss(0, 0.1), 4) for _ in range(8)] for _ in range(4)],
        "risk_aversion": draw.choice([1.0, 2.0, 5.0]),
    }


def _fit(draw: random.Random) -> Numbers:
    slope = [draw.uniform(0, 3) for _ in range(4)]
    points = [[round(draw.uniform(-1, 1), 3) for _ in range(4)] for _ in range(20)]
    measured = [round(sum(s * v for s, v in zip(slope, row, strict=True)) + draw.gauss(0, 0.1), 3) for row in points]
    return {"points": points, "measured": measured}


def _sites(draw: random.Random) -> Numbers:
    return {"homes": [(draw.randint(0, 100), draw.randint(0, 100)) for _ in range(9)], "reach": draw.randint(20, 40)}


def _blend(draw: random.Random) -> Numbers:
    return {
        "price": [draw.randint(20, 80) for _ in range(5)],
        "octane": [84, 88, 92, 96, 99],
        "sulfur": [draw.randint(5, 30) for _ in range(5)],
        "stock": [draw.randint(60, 120) for _ in range(5)],
        "wanted": draw.randint(120, 180),
    }


def _lots(draw: random.Random) -> Numbers:
    return {
        "demand": [draw.randint(20, 80) for _ in range(6)],
        "setup": draw.randint(80, 200),
        "holding": draw.randint(1, 4),
        "unit": draw.randint(3, 9),
        "capacity": 140,
    }


def _sales(draw: random.Random) -> Numbers:
    shops = ["north", "south", "east", "west"]
    return {
        "rows": [
            (draw.choice(shops), draw.randint(1, 12), draw.randint(1, 50), draw.randint(5, 95)) for _ in range(200)
        ]
    }


def _towns(draw: random.Random) -> Numbers:
    return {
        "towns": [(draw.randint(0, 100), draw.randint(0, 100)) for _ in range(10)],
        "load": [0, *(draw.randint(1, 9) for _ in range(9))],
        "trucks": 3,
        "truck_load": 30,
    }


def _matrix(draw: random.Random) -> Numbers:
    return {"seed": draw.randint(0, 10**6), "size": 160}


# The programs.

_PRODUCT_MIX_HIGHS = """
from ortools.linear_solver import pywraplp

solver = pywraplp.Solver.CreateSolver("HIGHS")
make = [solver.IntVar(0, solver.infinity(), f"make_{j}") for j in range(len(profit))]
for i, limit in enumerate(available):
    solver.Add(sum(hours[i][j] * make[j] for j in range(len(profit))) <= limit)
solver.Maximize(sum(profit[j] * make[j] for j in range(len(profit))))
status = solver.Solve()
print("OBJ", status, round(solver.Objective().Value(), 6))
"""

_CARGO_CBC = """
from ortools.linear_solver import pywraplp

solver = pywraplp.Solver.CreateSolver("CBC")
n = len(value)
take = {i: solver.BoolVar(f"take[{i}]") for i in range(n)}
solver.Add(solver.Sum([weight[i] * take[i] for i in range(n)]) <= max_weight)
solver.Add(solver.Sum([volume[i] * take[i] for i in range(n)]) <= max_volume)
solver.Maximize(solver.Sum([value[i] * take[i] for i in range(n)]))
status = solver.Solve()
print("OBJ", status, round(solver.Objective().Value(), 6))
"""

_ASSIGNMENT_SAT = """
from ortools.linear_solver import pywraplp

solver = pywraplp.Solver.CreateSolver("SAT")
n = len(cost)
x = [[solver.BoolVar(f"x_{i}_{j}") for j in range(n)] for i in range(n)]
for i in range(n):
    solver.Add(sum(x[i]) == 1)
    solver.Add(sum(x[k][i] for k in range(n)) == 1)
solver.Minimize(sum(cost[i][j] * x[i][j] for i in range(n) for j in range(n)))
status = solver.Solve()
print("OBJ", status, round(solver.Objective().Value(), 6))
"""

_WAREHOUSES_SCIP = """
from ortools.linear_solver import pywraplp

solver = pywraplp.Solver.CreateSolver("SCIP")
if solver is None:
    raise SystemExit("no SCIP")
F, C = range(len(opening)), range(len(demand))
opened = [solver.BoolVar(f"open_{f}") for f in F]
ship = {(f, c): solver.NumVar(0, demand[c], f"ship_{f}_{c}") for f in F for c in C}
for c in C:
    solver.Add(sum(ship[f, c] for f in F) == demand[c])
for f in F:
    solver.Add(sum(ship[f, c] for c in C) <= capacity[f] * opened[f])
solver.Minimize(
    sum(opening[f] * opened[f] for f in F) + sum(unit_cost[f][c] * ship[f, c] for f in F for c in C)
)
status = solver.Solve()
print("OBJ", status == pywraplp.Solver.OPTIMAL, round(solver.Objective().Value(), 6))
"""

_DIET_GLOP = """
from ortools.linear_solver import pywraplp

solver = pywraplp.Solver.CreateSolver("GLOP")
eat = [solver.NumVar(0, most, f"food{j}") for j in range(len(price))]
for i in range(len(needed)):
    row = solver.Constraint(needed[i], solver.infinity())
    for j in range(len(price)):
        row.SetCoefficient(eat[j], content[i][j])
objective = solver.Objective()
for j in range(len(price)):
    objective.SetCoefficient(eat[j], price[j])
objective.SetMinimization()
status = solver.Solve()
print("OBJ", status, round(objective.Value(), 6))
"""

_TRANSPORT_PDLP = """
from ortools.linear_solver import pywraplp

solver = pywraplp.Solver.CreateSolver("PDLP")
S, D = range(len(supply)), range(len(demand))
x = {(i, j): solver.NumVar(0, solver.infinity(), f"x{i}{j}") for i in S for j in D}
for i in S:
    solver.Add(sum(x[i, j] for j in D) <= supply[i])
for j in D:
    solver.Add(sum(x[i, j] for i in S) >= demand[j])
solver.Minimize(sum(cost[i][j] * x[i, j] for i in S for j in D))
status = solver.Solve()
print("OBJ", status, round(solver.Objective().Value(), 1))
"""

_JOBS_CP_SAT = """
from ortools.sat.python import cp_model

model = cp_model.CpModel()
horizon = sum(duration for job in jobs for _, duration in job)
machines, ends = {}, []
for number, job in enumerate(jobs):
    previous = None
    for step, (machine, duration) in enumerate(job):
        start = model.new_int_var(0, horizon, f"start_{number}_{step}")
        end = model.new_int_var(0, horizon, f"end_{number}_{step}")
        machines.setdefault(machine, []).append(
            model.new_interval_var(start, duration, end, f"task_{number}_{step}")
        )
        if previous is not None:
            model.add(start >= previous)
        previous = end
    ends.append(previous)
for tasks in machines.values():
    model.add_no_overlap(tasks)
makespan = model.new_int_var(0, horizon, "makespan")
model.add_max_equality(makespan, ends)
model.minimize(makespan)
solver = cp_model.CpSolver()
status = solver.solve(model)
print("OBJ", solver.status_name(status), solver.objective_value)
"""

_CARGO_CP_SAT_ONE = """
from ortools.sat.python import cp_model

model = cp_model.CpModel()
take = [model.NewBoolVar(f"take_{i}") for i in range(len(value))]
model.Add(sum(w * x for w, x in zip(weight, take)) <= max_weight)
model.Add(sum(w * x for w, x in zip(volume, take)) <= max_volume)
model.Maximize(sum(v * x for v, x in zip(value, take)))
solver = cp_model.CpSolver()
solver.parameters.num_search_workers = 1
status = solver.Solve(model)
print("OBJ", solver.StatusName(status), solver.ObjectiveValue())
"""

_ASSIGNMENT_CP_SAT_EIGHT = """
from ortools.sat.python import cp_model

model = cp_model.CpModel()
people = range(len(cost))
chosen = {(p, t): model.new_bool_var(f"chosen_{p}_{t}") for p in people for t in people}
for p in people:
    model.add_exactly_one(chosen[p, t] for t in people)
    model.add_exactly_one(chosen[t, p] for t in people)
model.minimize(sum(cost[p][t] * chosen[p, t] for p in people for t in people))
solver = cp_model.CpSolver()
solver.parameters.num_workers = 8
solver.parameters.max_time_in_seconds = 30.0
status = solver.solve(model)
print("OBJ", solver.status_name(status), solver.objective_value)
"""

_CARGO_HIGHSPY = """
import highspy

h = highspy.Highs()
h.silent()
n = len(value)
x = [h.addBinary(obj=value[i]) for i in range(n)]
h.addConstr(sum(weight[i] * x[i] for i in range(n)) <= max_weight)
h.addConstr(sum(volume[i] * x[i] for i in range(n)) <= max_volume)
h.changeObjectiveSense(highspy.ObjSense.kMaximize)
h.run()
print("OBJ", h.modelStatusToString(h.getModelStatus()), round(h.getInfo().objective_function_value, 6))
"""

_WAREHOUSES_HIGHSPY_PARALLEL = """
import highspy

h = highspy.Highs()
h.setOptionValue("output_flag", False)
h.setOptionValue("parallel", "on")
h.setOptionValue("threads", 2)
F, C = range(len(opening)), range(len(demand))
opened = [h.addBinary(obj=opening[f]) for f in F]
ship = {(f, c): h.addVariable(lb=0, ub=demand[c], obj=unit_cost[f][c]) for f in F for c in C}
for c in C:
    h.addConstr(sum(ship[f, c] for f in F) == demand[c])
for f in F:
    h.addConstr(sum(ship[f, c] for c in C) <= capacity[f] * opened[f])
h.run()
print("OBJ", h.modelStatusToString(h.getModelStatus()), round(h.getInfo().objective_function_value, 6))
"""

_COVER_SCIPY = """
import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

A, c = np.array(covers), np.array(cost)
result = milp(
    c,
    constraints=LinearConstraint(A, lb=1, ub=np.inf),
    integrality=np.ones_like(c),
    bounds=Bounds(0, 1),
)
print("OBJ", result.status, round(result.fun, 6))
"""

_TRANSPORT_SCIPY = """
import numpy as np
from scipy.optimize import linprog

m, n = len(supply), len(demand)
A_ub = np.zeros((m, m * n))
A_eq = np.zeros((n, m * n))
for i in range(m):
    for j in range(n):
        A_ub[i, i * n + j] = 1
        A_eq[j, i * n + j] = 1
result = linprog(np.array(cost).ravel(), A_ub=A_ub, b_ub=supply, A_eq=A_eq, b_eq=demand, method="highs")
print("OBJ", result.success, round(result.fun, 6))
"""

_BUDGET_CVXPY_HIGHS = """
import cvxpy as cp
import numpy as np

choose = cp.Variable(len(gain), boolean=True)
constraints = [np.array(cost) @ choose <= budget, choose[0] + choose[1] <= 1]
problem = cp.Problem(cp.Maximize(np.array(gain) @ choose), constraints)
problem.solve(solver=cp.HIGHS)
print("OBJ", problem.status, round(float(problem.value), 5))
"""

_PORTFOLIO_CVXPY_CLARABEL = """
import cvxpy as cp
import numpy as np

mu, G = np.array(mean), np.array(factors)
w = cp.Variable(len(mean))
risk = cp.sum_squares(G @ w) + 0.01 * cp.sum_squares(w)
problem = cp.Problem(cp.Maximize(mu @ w - risk_aversion * risk), [cp.sum(w) == 1, w >= 0, w <= 0.4])
problem.solve(solver=cp.CLARABEL)
print("OBJ", problem.status, round(float(problem.value), 6))
"""

_FIT_CVXPY_OSQP = """
import cvxpy as cp
import numpy as np

X, y = np.array(points), np.array(measured)
slope = cp.Variable(X.shape[1], nonneg=True)
problem = cp.Problem(cp.Minimize(cp.sum_squares(X @ slope - y)), [cp.sum(slope) <= 5])
problem.solve(solver=cp.OSQP)
print("OBJ", problem.status, round(float(problem.value), 3))
"""

_SITES_CVXPY_SCS = """
import cvxpy as cp
import numpy as np

depot = cp.Variable(2)
distances = [cp.norm(depot - np.array(home, dtype=float), 2) for home in homes]
problem = cp.Problem(cp.Minimize(sum(distances)), [cp.norm(depot - 50, 2) <= reach])
problem.solve(solver=cp.SCS, eps=1e-6)
print("OBJ", problem.status, round(float(problem.value), 2))
"""

_SHIFTS_PULP_CBC = """
import pulp

days = range(7)
prob = pulp.LpProblem("Shifts", pulp.LpMinimize)
start = pulp.LpVariable.dicts("start", days, lowBound=0, cat="Integer")
prob += pulp.lpSum(wage[d] * start[d] for d in days)
for d in days:
    prob += pulp.lpSum(start[(d - k) % 7] for k in range(5)) >= needed[d]
prob.solve(pulp.PULP_CBC_CMD(msg=False))
print("OBJ", pulp.LpStatus[prob.status], round(pulp.value(prob.objective), 6))
"""

_BLEND_PULP_HIGHS = """
import pulp

prob = pulp.LpProblem("Blend", pulp.LpMinimize)
use = [pulp.LpVariable(f"use_{i}", 0, stock[i]) for i in range(len(price))]
bought = [pulp.LpVariable(f"bought_{i}", cat="Binary") for i in range(len(price))]
prob += pulp.lpSum(p * u for p, u in zip(price, use)) + pulp.lpSum(100 * b for b in bought)
prob += pulp.lpSum(use) == wanted
prob += pulp.lpSum(o * u for o, u in zip(octane, use)) >= 91 * wanted
prob += pulp.lpSum(s * u for s, u in zip(sulfur, use)) <= 25 * wanted
for u, b, s in zip(use, bought, stock):
    prob += u <= s * b
prob.solve(pulp.HiGHS(msg=False))
print("OBJ", pulp.LpStatus[prob.status], round(pulp.value(prob.objective), 5))
"""

_LOTS_PYOMO = """
import pyomo.environ as pyo

T = range(len(demand))
m = pyo.ConcreteModel()
m.T = pyo.Set(initialize=list(T))
m.make = pyo.Var(m.T, domain=pyo.NonNegativeReals, bounds=(0, capacity))
m.on = pyo.Var(m.T, domain=pyo.Binary)
m.stock = pyo.Var(m.T, domain=pyo.NonNegativeReals)
m.balance = pyo.Constraint(
    m.T, rule=lambda m, t: (m.stock[t - 1] if t else 0) + m.make[t] - demand[t] == m.stock[t]
)
m.link = pyo.Constraint(m.T, rule=lambda m, t: m.make[t] <= capacity * m.on[t])
m.cost = pyo.Objective(
    expr=sum(setup * m.on[t] + unit * m.make[t] + holding * m.stock[t] for t in T), sense=pyo.minimize
)
result = pyo.SolverFactory("appsi_highs").solve(m)
print("OBJ", result.solver.termination_condition, round(pyo.value(m.cost), 5))
"""

_NUMPY = """
import numpy as np

rng = np.random.default_rng(seed)
A = rng.random((size, size))
spread = A @ A.T + size * np.eye(size)
x = np.linalg.solve(spread, rng.random(size))
largest = np.linalg.eigvalsh(spread)[-1]
print("OBJ", round(float(x.sum()), 9), round(float(largest), 6), round(float(np.linalg.norm(A, 2)), 6))
"""

_SALES_PANDAS = """
import pandas as pd

frame = pd.DataFrame(rows, columns=["shop", "month", "units", "price"])
frame["revenue"] = frame["units"] * frame["price"]
table = frame.pivot_table(index="shop", columns="month", values="revenue", aggfunc="sum", fill_value=0)
best = frame.groupby("shop")["revenue"].sum().sort_values(ascending=False)
print("OBJ", best.index[0], int(best.iloc[0]), round(float(table.to_numpy().std()), 6))
"""

_WAREHOUSES_MATH_OPT = """
from ortools.math_opt.python import mathopt

model = mathopt.Model(name="warehouses")
F, C = range(len(opening)), range(len(demand))
opened = [model.add_binary_variable(name=f"open_{f}") for f in F]
ship = [[model.add_variable(lb=0, ub=demand[c], name=f"ship_{f}_{c}") for c in C] for f in F]
for c in C:
    model.add_linear_constraint(sum(ship[f][c] for f in F) == demand[c])
for f in F:
    model.add_linear_constraint(sum(ship[f]) <= capacity[f] * opened[f])
model.minimize(
    sum(opening[f] * opened[f] for f in F) + sum(unit_cost[f][c] * ship[f][c] for f in F for c in C)
)
result = mathopt.solve(model, mathopt.SolverType.GSCIP)
print("OBJ", result.termination.reason.value, round(result.objective_value(), 5))
"""

_TOWNS_ROUTING = """
from ortools.constraint_solver import pywrapcp, routing_enums_pb2

def distance(a, b):
    return round(10 * ((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5)

manager = pywrapcp.RoutingIndexManager(len(towns), trucks, 0)
routing = pywrapcp.RoutingModel(manager)
transit = routing.RegisterTransitCallback(
    lambda i, j: distance(towns[manager.IndexToNode(i)], towns[manager.IndexToNode(j)])
)
routing.SetArcCostEvaluatorOfAllVehicles(transit)
demand = routing.RegisterUnaryTransitCallback(lambda i: load[manager.IndexToNode(i)])
routing.AddDimensionWithVehicleCapacity(demand, 0, [truck_load] * trucks, True, "load")
search = pywrapcp.DefaultRoutingSearchParameters()
search.first_solution_strategy = routing_enums_pb2.FirstSolutionStrategy.PATH_CHEAPEST_ARC
solution = routing.SolveWithParameters(search)
print("OBJ", routing.status(), solution.ObjectiveValue())
"""

KINDS: dict[str, Kind] = {
    "pywraplp_scip": Kind(numbers=_warehouses, text=_WAREHOUSES_SCIP),
    "pywraplp_cbc": Kind(numbers=_cargo, text=_CARGO_CBC),
    "pywraplp_sat": Kind(numbers=_assignment, text=_ASSIGNMENT_SAT),
    "pywraplp_highs": Kind(numbers=_product_mix, text=_PRODUCT_MIX_HIGHS),
    "pywraplp_glop": Kind(numbers=_diet, text=_DIET_GLOP),
    "pywraplp_pdlp": Kind(numbers=_transport, text=_TRANSPORT_PDLP),
    "cp_sat": Kind(numbers=_jobs, text=_JOBS_CP_SAT),
    "cp_sat_1": Kind(numbers=_cargo, text=_CARGO_CP_SAT_ONE),
    "cp_sat_8": Kind(numbers=_assignment, text=_ASSIGNMENT_CP_SAT_EIGHT),
    "highspy": Kind(numbers=_cargo, text=_CARGO_HIGHSPY),
    "highspy_parallel": Kind(numbers=_warehouses, text=_WAREHOUSES_HIGHSPY_PARALLEL),
    "scipy_milp": Kind(numbers=_cover, text=_COVER_SCIPY),
    "scipy_linprog": Kind(numbers=_transport, text=_TRANSPORT_SCIPY),
    "cvxpy_highs": Kind(numbers=_budget, text=_BUDGET_CVXPY_HIGHS),
    "cvxpy_clarabel": Kind(numbers=_portfolio, text=_PORTFOLIO_CVXPY_CLARABEL),
    "cvxpy_osqp": Kind(numbers=_fit, text=_FIT_CVXPY_OSQP),
    "cvxpy_scs": Kind(numbers=_sites, text=_SITES_CVXPY_SCS),
    "pulp_cbc": Kind(numbers=_shifts, text=_SHIFTS_PULP_CBC),
    "pulp_highs": Kind(numbers=_blend, text=_BLEND_PULP_HIGHS),
    "pyomo_highs": Kind(numbers=_lots, text=_LOTS_PYOMO),
    "numpy": Kind(numbers=_matrix, text=_NUMPY),
    "pandas": Kind(numbers=_sales, text=_SALES_PANDAS),
    "math_opt": Kind(numbers=_warehouses, text=_WAREHOUSES_MATH_OPT),
    "routing": Kind(numbers=_towns, text=_TOWNS_ROUTING),
}
"""Every kind by its name."""


def main() -> None:
    """Parse, run each kind in a fresh python, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)} (default: all)")
    parser.add_argument("--seed", type=int, default=0, help="what the numbers are drawn from (default: 0)")
    parser.add_argument("--show", action="store_true", help="print the programs instead of running them")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    settings = parser.parse_args()
    for kind in settings.kinds:
        if kind not in KINDS:
            parser.error(f"kind {kind!r} is none of {', '.join(KINDS)}")
    rows = []
    for kind in settings.kinds or KINDS:
        code = program(kind, settings.seed)
        if settings.show:
            print(code)
            continue
        run = run_fresh(code)
        rows.append({"kind": kind, "answer": answer(run.stdout), "ms": 1000 * run.seconds, "stderr": run.stderr})
        if not settings.json:
            print(f"{kind:18} {1000 * run.seconds:7.0f} ms  {rows[-1]['answer'] or run.stderr[-300:]}", flush=True)
    if settings.json:
        print(json.dumps(rows, indent=2))
    if any(row["answer"] is None for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
