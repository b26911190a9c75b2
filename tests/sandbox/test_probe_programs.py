"""Real programs of every library: the same output and exit code as in a fresh interpreter, and the expected reports.

Each program is short, prints its own lines and silences its solver, since logs contain times.
"""

import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from storm_calm.sandbox import Limits, Sandbox, SolverReport

pytestmark = pytest.mark.slow

LIMITS = Limits(seconds=20, memory_mb=1024)
NOISY = ("coptpy",)
"""Libraries that print a line with the time when they start. Of their programs only the lines "= ..." are compared."""

MARKET = """
import random
random.seed(3)
ROWS, COLUMNS = 5, 40
A = [[random.randint(0, 99) for _ in range(COLUMNS)] for _ in range(ROWS)]
B = [sum(row) // 2 for row in A]
"""

Expected = tuple[str, str | None, float | None]
"""Status, sense and objective of a report; the objective is compared to four decimals."""


@dataclass(frozen=True, kw_only=True)
class Case:
    library: str
    code: str
    reports: list[Expected]
    exit_code: int = 0
    needs: str = ""


def maximum(objective: float) -> Expected:
    return ("optimal", "maximize", objective)


def minimum(objective: float) -> Expected:
    return ("optimal", "minimize", objective)


def no_plan(status: str, sense: str | None = "maximize") -> Expected:
    return (status, sense, None)


LP = "from ortools.linear_solver import pywraplp\ndef new(name): return pywraplp.Solver.CreateSolver(name)\n"
LINEAR_SOLVER = {
    "maximize": Case(
        library="ortools.linear_solver",
        code=LP
        + """
s = new("SCIP")
x, y = s.IntVar(0, 8, "x"), s.NumVar(0, s.infinity(), "y")
s.Add(2 * x + y <= 15.5)
s.Maximize(3 * x + y)
print(s.Solve(), s.Objective().Value(), x.solution_value(), y.solution_value(), s.WallTime() < 9e9)
""",
        reports=[maximum(22.5)],
    ),
    "two solves and a dual": Case(
        library="ortools.linear_solver",
        code=LP
        + """
s = new("GLOP")
x = s.NumVar(1, 9, "x")
c = s.Add(x >= 4)
s.Minimize(2.5 * x)
print(s.Solve(), s.Objective().Value(), c.dual_value())
c.SetLb(6)
print(s.Solve(), s.Objective().Value(), x.reduced_cost())
""",
        reports=[minimum(10), minimum(15)],
    ),
    "integer infeasible": Case(
        library="ortools.linear_solver",
        code=LP
        + """
for name in "CBC", "SCIP", "SAT":
    s = new(name)
    x = s.IntVar(0, 9, "x")
    s.Add(5 * x >= 11)
    s.Add(5 * x <= 14)
    s.Maximize(x)
    print(name, s.Solve() == pywraplp.Solver.INFEASIBLE)
""",
        reports=[no_plan("infeasible")] * 3,
    ),
    "unbounded": Case(
        library="ortools.linear_solver",
        code=LP
        + """
for name in "CBC", "SCIP", "GLOP":
    s = new(name)
    s.Maximize(s.NumVar(0, s.infinity(), "x"))
    print(name, s.Solve())
""",
        reports=[no_plan("unbounded"), no_plan("unbounded"), no_plan("infeasible")],
    ),
    "hint and iteration limit": Case(
        library="ortools.linear_solver",
        code=LP
        + """
s = new("SCIP")
x = [s.BoolVar(f"x{i}") for i in range(6)]
s.Add(sum((i + 2) * v for i, v in enumerate(x)) <= 11)
s.SetHint(x, [0, 1, 0, 0, 0, 1])
s.Maximize(sum((3 * i + 4) * v for i, v in enumerate(x)))
print(s.Solve(), round(s.Objective().Value(), 6), s.NumVariables(), s.NumConstraints())
""",
        reports=[maximum(29)],
    ),
}

CP = "from ortools.sat.python import cp_model\nm, s = cp_model.CpModel(), cp_model.CpSolver()\n"
CP_SAT = {
    "callback": Case(
        library="ortools.cp_model",
        code=CP
        + """
class Count(cp_model.CpSolverSolutionCallback):
    best = None
    def on_solution_callback(self):
        self.best = self.objective_value
x, y = m.new_int_var(0, 20, "x"), m.new_int_var(0, 20, "y")
m.add(3 * x + 5 * y <= 48)
m.add(x != y)
m.maximize(2 * x + 4 * y)
seen = Count()
status = s.solve(m, seen)
print(s.status_name(status), s.objective_value, seen.best == s.objective_value)
""",
        reports=[maximum(38)],
    ),
    "all solutions": Case(
        library="ortools.cp_model",
        code=CP
        + """
class Collect(cp_model.CpSolverSolutionCallback):
    def __init__(self):
        super().__init__()
        self.seen = set()
    def on_solution_callback(self):
        self.seen.add((self.value(x), self.value(y)))
x, y = m.new_int_var(0, 3, "x"), m.new_int_var(0, 3, "y")
m.add(x + y == 3)
s.parameters.enumerate_all_solutions = True
seen = Collect()
print(s.status_name(s.solve(m, seen)), sorted(seen.seen))
""",
        reports=[no_plan("optimal", None)],
    ),
    "infeasible, then a core": Case(
        library="ortools.cp_model",
        code=CP
        + """
x, b = m.new_int_var(0, 5, "x"), m.new_bool_var("b")
m.add(x > 7).only_enforce_if(b)
m.add_assumptions([b])
print(s.status_name(s.solve(m)), len(s.sufficient_assumptions_for_infeasibility()))
""",
        reports=[no_plan("infeasible", None)],
    ),
    "invalid": Case(
        library="ortools.cp_model",
        code=CP
        + """
x = m.new_int_var(-(2**62), 2**62, "x")
m.add(7 * x <= 2**62)
print(s.status_name(s.solve(m)))
""",
        reports=[no_plan("error", None)],
    ),
    "hint and a time limit": Case(
        library="ortools.cp_model",
        code=CP
        + """
x = [m.new_bool_var(f"x{i}") for i in range(5)]
m.add_at_most_one(x[:3])
m.add_hint(x[0], 1)
m.maximize(sum((i + 1) * v for i, v in enumerate(x)))
s.parameters.max_time_in_seconds = 10
s.parameters.num_workers = 2
print(s.solve(m) == cp_model.OPTIMAL, s.ObjectiveValue(), s.BestObjectiveBound(), str(s.parameters).count("\\n"))
""",
        reports=[maximum(12)],
    ),
    "solves in a function and a thread": Case(
        library="ortools.cp_model",
        code="""
import threading
from ortools.sat.python import cp_model
found = {}
def best(limit):
    m, s = cp_model.CpModel(), cp_model.CpSolver()
    x = m.new_int_var(0, 100, "x")
    m.add(7 * x <= limit)
    m.maximize(x)
    s.solve(m)
    found[limit] = s.value(x)
best(20)
worker = threading.Thread(target=best, args=(50,))
worker.start()
worker.join()
print(found)
""",
        reports=[maximum(2), maximum(7)],
    ),
}

MODEL_BUILDER = {
    "maximize, then a stricter model": Case(
        library="ortools.model_builder",
        code="""
from ortools.linear_solver.python import model_builder as mb
m = mb.Model()
x, y = m.new_int_var(0, 6, "x"), m.new_num_var(0, 9, "y")
m.add(x + 2 * y <= 11)
m.maximize(4 * x + 3 * y)
s = mb.Solver("highs")
print(s.solve(m).name, s.objective_value, s.value(x))
m.add(x <= 1)
print(s.solve(m).name, s.objective_value)
""",
        reports=[maximum(31.5), maximum(19)],
    ),
    "infeasible": Case(
        library="ortools.model_builder",
        code="""
from ortools.linear_solver.python import model_builder as mb
m = mb.Model()
x = m.new_num_var(0, 6, "x")
m.add(x >= 7)
m.minimize(x)
print(mb.Solver("scip").solve(m).name)
""",
        reports=[no_plan("infeasible", "minimize")],
    ),
}

MO = "from ortools.math_opt.python import mathopt\nm = mathopt.Model(name='m')\n"
MATH_OPT = {
    "maximize": Case(
        library="ortools.math_opt",
        code=MO
        + """
x, y = m.add_variable(lb=0, ub=4, is_integer=True), m.add_binary_variable()
m.add_linear_constraint(3 * x + 2 * y <= 13)
m.maximize(5 * x + 4 * y)
r = mathopt.solve(m, mathopt.SolverType.GSCIP)
print(r.termination.reason.name, r.objective_value(), r.variable_values(x))
""",
        reports=[maximum(20)],
    ),
    "unbounded or infeasible": Case(
        library="ortools.math_opt",
        code=MO
        + """
x = m.add_variable(lb=0)
m.maximize(x)
r = mathopt.solve(m, mathopt.SolverType.GLOP)
print(r.termination.reason.name, r.has_primal_feasible_solution())
""",
        reports=[no_plan("infeasible")],
    ),
}

ROUTING = {
    "tour": Case(
        library="ortools.routing",
        code="""
from ortools.constraint_solver import pywrapcp, routing_enums_pb2 as enums
places = [(0, 0), (3, 0), (3, 4), (0, 4)]
manager = pywrapcp.RoutingIndexManager(len(places), 1, 0)
r = pywrapcp.RoutingModel(manager)
def far(a, b):
    (p, q), (u, v) = places[manager.IndexToNode(a)], places[manager.IndexToNode(b)]
    return abs(p - u) + abs(q - v)
r.SetArcCostEvaluatorOfAllVehicles(r.RegisterTransitCallback(far))
p = pywrapcp.DefaultRoutingSearchParameters()
p.first_solution_strategy = enums.FirstSolutionStrategy.PATH_CHEAPEST_ARC
plan = r.SolveWithParameters(p)
print(r.status(), plan.ObjectiveValue())
""",
        reports=[("feasible", "minimize", 14)],
    ),
}

PL = "import pulp\nfrom pulp import *\n"
PULP = {
    "default solver": Case(
        library="pulp",
        code=PL
        + """
p = LpProblem("mix", LpMaximize)
x, y = LpVariable("x", lowBound=0, cat="Integer"), LpVariable("y", lowBound=0)
p += 5 * x + 4 * y, "profit"
p += 2 * x + 3 * y <= 12
p += x <= 3
LpSolverDefault.msg = 0
print(LpStatus[p.solve()], value(p.objective), x.varValue, y.varValue)
""",
        reports=[maximum(23)],
    ),
    "integer infeasible": Case(
        library="pulp",
        code=PL
        + """
for solver in PULP_CBC_CMD(msg=0), HiGHS(msg=0):
    p = LpProblem("gap", LpMinimize)
    x = LpVariable("x", 0, 9, "Integer")
    p += x
    p += 4 * x >= 9
    p += 4 * x <= 11
    print(LpStatus[p.solve(solver)], p.status, p.sol_status)
""",
        reports=[no_plan("infeasible", "minimize")] * 2,
    ),
    "infeasible and unbounded": Case(
        library="pulp",
        code=PL
        + """
for limit, sense in (-2, LpMinimize), (None, LpMaximize):
    p = LpProblem("p", sense)
    x = LpVariable("x", 0)
    p += 3 * x
    if limit: p += x <= limit
    print(LpStatus[p.solve(pulp.PULP_CBC_CMD(msg=False))])
""",
        reports=[no_plan("infeasible", "minimize"), no_plan("unbounded")],
    ),
    "warm start, and a second solve": Case(
        library="pulp",
        code=PL
        + """
p = LpProblem("knapsack", LpMaximize)
x = LpVariable.dicts("x", range(5), cat="Binary")
w, v = [4, 3, 5, 2, 6], [7, 4, 9, 3, 10]
p += lpSum(v[i] * x[i] for i in x)
p += lpSum(w[i] * x[i] for i in x) <= 11
for i in x: x[i].setInitialValue(i == 0)
p.solve(PULP_CBC_CMD(msg=0, warmStart=True, keepFiles=True))
print(LpStatus[p.status], value(p.objective))
p += x[4] == 0
p.solve(COIN_CMD(msg=0, path=PULP_CBC_CMD().path, threads=1, timeLimit=9))
print(LpStatus[p.status], value(p.objective), sorted(v.name for v in p.variables() if v.varValue > 0.5))
""",
        reports=[maximum(19), maximum(19)],
    ),
    "command that is not there": Case(
        library="pulp",
        code=PL
        + """
p = LpProblem("p")
p += LpVariable("x", 2)
print(GLPK_CMD().available(), bool(PULP_CBC_CMD().available()))
p.solve(COIN_CMD(path="/no/such/cbc", msg=0))
""",
        reports=[no_plan("error", "minimize")],
        exit_code=1,
    ),
    "no objective": Case(
        library="pulp",
        code=PL
        + """
p = LpProblem("p")
x = LpVariable("x", 0, 4)
p += x >= 3
print(LpStatus[p.solve(HiGHS(msg=0))], x.varValue)
""",
        reports=[no_plan("optimal", None)],
    ),
}

SP = "import numpy as np\nfrom scipy.optimize import *\n"
SCIPY = {
    "linprog of a maximum": Case(
        library="scipy.optimize",
        code=SP
        + """
r = linprog(c=[-3, -2], A_ub=[[1, 1], [2, 1]], b_ub=[7, 10], bounds=[(0, None), (0, None)])
print(r.status, r.success, -r.fun, r.x.tolist())
""",
        reports=[minimum(-17)],
    ),
    "unbounded or infeasible": Case(
        library="scipy.optimize",
        code=SP
        + """
r = milp([-1, -3], integrality=np.ones(2))
print(r.status, r.x, r.message)
r = linprog([-1, -3], integrality=1)
print(r.status, r.fun)
r = linprog([-1])
print(r.status)
""",
        reports=[no_plan("infeasible", "minimize")] * 2 + [no_plan("unbounded", "minimize")],
    ),
    "milp": Case(
        library="scipy.optimize",
        code=SP
        + """
v, w = np.array([9, 7, 4, 8]), np.array([5, 4, 2, 5])
r = milp(-v, constraints=LinearConstraint(w[None, :], ub=9), integrality=np.ones(4), bounds=Bounds(0, 1))
print(r.success, -r.fun, np.round(r.x).astype(int).tolist(), r.mip_gap)
r = milp(-v, constraints=[LinearConstraint(w, ub=3), LinearConstraint(w, lb=4)], integrality=[1] * 4)
print(r.status, r.success)
""",
        reports=[minimum(-16), no_plan("infeasible", "minimize")],
    ),
    "limit": Case(
        library="scipy.optimize",
        code=SP
        + MARKET
        + """
m = np.hstack([np.array(A), np.eye(ROWS), -np.eye(ROWS)])
c = [0] * COLUMNS + [1] * 2 * ROWS
whole = [1] * COLUMNS + [0] * 2 * ROWS
r = milp(c, integrality=whole, bounds=Bounds(0, [1 if i else np.inf for i in whole]),
         constraints=LinearConstraint(m, B, B), options={"node_limit": 1})
print(r.status, r.x is None or r.fun > 0)
""",
        reports=[("feasible", "minimize", None)],
    ),
    "minimize with a callback": Case(
        library="scipy.optimize",
        code=SP
        + """
steps = []
def f(x): return (x[0] - 3) ** 2 + (x[1] + 1) ** 2
r = minimize(f, [0, 0], callback=lambda x: steps.append(1), bounds=[(0, 2), (0, None)])
print(r.success, np.round(r.fun, 4), np.round(r.x, 4).tolist(), len(steps) > 0)
""",
        reports=[("feasible", "minimize", 2)],
    ),
    "assignment has no report": Case(
        library="scipy.optimize",
        code=SP
        + """
cost = np.array([[4, 1, 3], [2, 0, 5], [3, 2, 2]])
rows, columns = linear_sum_assignment(cost)
print(cost[rows, columns].sum())
""",
        reports=[],
    ),
    "wrong shape": Case(
        library="scipy.optimize",
        code=SP
        + """
linprog([1, 2], A_ub=[[1, 2, 3]], b_ub=[4])
""",
        reports=[],
        exit_code=1,
    ),
}

CV = "import cvxpy as cp, numpy as np\n"
CVXPY = {
    "quadratic": Case(
        library="cvxpy",
        code=CV
        + """
x = cp.Variable(3, nonneg=True)
p = cp.Problem(cp.Minimize(cp.sum_squares(x - np.array([1, 2, 3]))), [cp.sum(x) == 3])
for solver in "OSQP", "CLARABEL", "SCS":
    p.solve(solver=solver)
    print(p.status, round(p.value, 2), np.round(x.value, 2).tolist())
""",
        reports=[minimum(3.0)] * 3,
    ),
    "solver of another library": Case(
        library="cvxpy",
        code=CV
        + """
x, y = cp.Variable(4, boolean=True), cp.Variable(integer=True)
p = cp.Problem(cp.Maximize(np.array([5, 4, 3, 7]) @ x + 2 * y), [np.array([2, 3, 1, 4]) @ x + y <= 7, y >= 0, y <= 2])
for solver in "HIGHS", "SCIPY":
    print(p.solve(solver=solver), p.status, np.round(x.value).astype(int).tolist())
""",
        reports=[maximum(15)] * 2,
        needs="highspy",
    ),
    "infeasible and unbounded": Case(
        library="cvxpy",
        code=CV
        + """
x = cp.Variable()
for goal, limits in (cp.Minimize(x), [x >= 2, x <= 1]), (cp.Maximize(x), [x >= 0]):
    p = cp.Problem(goal, limits)
    print(p.solve(solver=cp.CLARABEL), p.status, x.value)
""",
        reports=[no_plan("infeasible", "minimize"), no_plan("unbounded")],
    ),
    "iteration limit": Case(
        library="cvxpy",
        code=CV
        + """
import warnings
warnings.simplefilter("ignore")
np.random.seed(1)
a = np.random.rand(40, 20)
x = cp.Variable(20)
p = cp.Problem(cp.Minimize(cp.norm1(a @ x - 1)))
p.solve(solver="SCS", max_iters=5)
print(p.status)
p.solve(solver="CLARABEL", max_iter=1)
print(p.status)
""",
        reports=[("feasible", "minimize", None)] * 2,
    ),
    "parameters in a loop, and duals": Case(
        library="cvxpy",
        code=CV
        + """
x, b = cp.Variable(), cp.Parameter()
c = x <= b
p = cp.Problem(cp.Maximize(3 * x), [c])
for b.value in (1.0, 2.0):
    p.solve(solver="CLARABEL")
    print(round(p.value, 4), round(float(c.dual_value), 4))
""",
        reports=[maximum(3), maximum(6)],
    ),
    "constant": Case(
        library="cvxpy",
        code=CV + "p = cp.Problem(cp.Maximize(42))\nprint(p.solve(), p.status)\n",
        reports=[no_plan("optimal", None)],
    ),
    "not convex": Case(
        library="cvxpy",
        code=CV + "x = cp.Variable()\ncp.Problem(cp.Minimize(-cp.square(x))).solve()\n",
        reports=[],
        exit_code=1,
    ),
}

HI = "import highspy\nh = highspy.Highs()\nh.setOptionValue('output_flag', False)\n"
HIGHSPY = {
    "maximize, then change": Case(
        library="highspy",
        code=HI
        + """
x, y = h.addIntegral(lb=0, ub=4), h.addIntegral(lb=0, ub=3)
h.addConstr(x + 2 * y <= 7.5)
h.maximize(2 * x + 3 * y)
print(h.getModelStatus(), h.getObjectiveValue(), h.val(x), h.val(y))
h.changeColBounds(1, 0, 1)
print(h.run(), h.getObjectiveValue())
""",
        reports=[maximum(12), maximum(11)],
    ),
    "infeasible, unbounded, empty": Case(
        library="highspy",
        code=HI
        + """
h.run()
print(h.getModelStatus())
x = h.addVariable(lb=1)
h.maximize(x)
print(h.getModelStatus())
h.addConstr(x <= 0)
h.minimize(x)
print(h.getModelStatus())
""",
        reports=[no_plan("optimal", None), no_plan("unbounded"), no_plan("infeasible", "minimize")],
    ),
}

PY = "from pyomo.environ import *\nm = ConcreteModel()\n"
PYOMO = {
    "appsi": Case(
        library="pyomo",
        code=PY
        + """
m.i = RangeSet(3)
m.x = Var(m.i, domain=NonNegativeIntegers, bounds=(0, 4))
m.c = Constraint(expr=sum(i * m.x[i] for i in m.i) <= 13)
m.o = Objective(expr=sum((4 - i) * m.x[i] for i in m.i), sense=maximize)
s = SolverFactory("appsi_highs")
print(s.available() == True, bool(s.available()))
r = s.solve(m)
print(r.solver.termination_condition, value(m.o), [int(round(value(m.x[i]))) for i in m.i])
""",
        reports=[maximum(20)],
        needs="highspy",
    ),
    "solver that is not there": Case(
        library="pyomo",
        code=PY
        + """
m.x = Var(bounds=(1, 3))
m.o = Objective(expr=m.x)
for name in "glpk", "cbc", "ipopt":
    print(name, SolverFactory(name).available(exception_flag=False))
SolverFactory("glpk").solve(m)
""",
        reports=[],
        exit_code=1,
    ),
    "infeasible, then relaxed": Case(
        library="pyomo",
        code=PY
        + """
m.x = Var(bounds=(0, 3))
m.c = Constraint(expr=m.x >= 5)
m.o = Objective(expr=2 * m.x)
s = SolverFactory("highs")
r = s.solve(m, load_solutions=False, raise_exception_on_nonoptimal_result=False)
print(r.solver.termination_condition)
m.c.deactivate()
m.x.setlb(1)
r = s.solve(m)
print(r.solver.termination_condition, value(m.o))
""",
        reports=[no_plan("infeasible", "minimize"), minimum(2)],
        needs="highspy",
    ),
}

SC = "from pyscipopt import Model, quicksum\nm = Model()\nm.hideOutput()\n"
PYSCIPOPT = {
    "maximize": Case(
        library="pyscipopt",
        code=SC
        + """
x = [m.addVar(f"x{i}", vtype="I", ub=5) for i in range(3)]
m.addCons(quicksum((i + 2) * v for i, v in enumerate(x)) <= 12)
m.setObjective(quicksum((2 * i + 3) * v for i, v in enumerate(x)), "maximize")
m.optimize()
print(m.getStatus(), round(m.getObjVal(), 6))
""",
        reports=[maximum(21)],
    ),
    "limit, infeasible, unbounded": Case(
        library="pyscipopt",
        code=SC
        + """
x = m.addVar("x", vtype="I", ub=8)
y = m.addVar("y", vtype="I", ub=8)
m.addCons(2 * x + 2 * y == 7)
m.optimize()
print(m.getStatus())
n = Model()
n.hideOutput()
n.setObjective(n.addVar("z"), "maximize")
n.optimize()
print(n.getStatus())
""",
        reports=[no_plan("infeasible", None), no_plan("unbounded")],
    ),
}

GUROBIPY = {
    "callback, infeasible": Case(
        library="gurobipy",
        code="""
import gurobipy as gp
from gurobipy import GRB
with gp.Env(params={"OutputFlag": 0}) as env, gp.Model(env=env) as m:
    x = m.addVars(4, vtype="B")
    m.addConstr(gp.quicksum((i + 2) * x[i] for i in x) <= 7)
    m.setObjective(gp.quicksum((3 * i + 2) * x[i] for i in x), GRB.MAXIMIZE)
    seen = []
    m.optimize(lambda model, where: seen.append(where == GRB.Callback.MIPSOL))
    print(m.Status, m.ObjVal, any(seen))
    m.addConstr(x.sum() >= 4)
    m.optimize()
    print(m.Status)
""",
        reports=[maximum(13), no_plan("infeasible")],
    ),
}

COPTPY = {
    "maximize": Case(
        library="coptpy",
        code="""
import coptpy as cp
m = cp.Envr().createModel("m")
m.setParam("Logging", 0)
x, y = m.addVar(ub=3, vtype=cp.COPT.INTEGER), m.addVar(ub=2)
m.addConstr(x + 2 * y <= 5)
m.setObjective(4 * x + 3 * y, cp.COPT.MAXIMIZE)
m.solve()
print("=", m.status, m.objval)
""",
        reports=[maximum(15)],
    ),
}

CASES = {
    f"{library} {name}": case
    for library, cases in {
        "linear_solver": LINEAR_SOLVER,
        "cp_sat": CP_SAT,
        "model_builder": MODEL_BUILDER,
        "math_opt": MATH_OPT,
        "routing": ROUTING,
        "pulp": PULP,
        "scipy": SCIPY,
        "cvxpy": CVXPY,
        "highspy": HIGHSPY,
        "pyomo": PYOMO,
        "pyscipopt": PYSCIPOPT,
        "gurobipy": GUROBIPY,
        "coptpy": COPTPY,
    }.items()
    for name, case in cases.items()
}


def run_fresh(code: str, folder: str) -> subprocess.CompletedProcess[str]:
    """Run a program with python, without a sandbox and without a probe."""
    with open(os.path.join(folder, "main.py"), "w", encoding="utf-8") as file:
        file.write(code)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "main.py"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def printed(case: Case, stdout: str) -> list[str]:
    """Return the lines to compare."""
    lines = stdout.splitlines()
    return [line for line in lines if line.startswith("= ")] if case.library in NOISY else lines


def error(stderr: str) -> str:
    """Return the class of the error in the last line of a traceback. Its message can name the program's folder."""
    return "".join(stderr.splitlines()[-1:]).partition(":")[0]


def matches(found: SolverReport, expected: Expected) -> bool:
    """Return whether a report is as expected. A "feasible" plan of None may have any objective."""
    status, sense, objective = expected
    if (found.status, found.sense) != (status, sense):
        return False
    if objective is None:
        return status == "feasible" or found.objective is None
    return found.objective is not None and abs(found.objective - objective) < 1e-3 * max(1, abs(objective))


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_program_runs_as_in_a_fresh_interpreter_and_its_solves_are_reported(full, tmp_path, case):
    for needed in (case.library.partition(".")[0], case.needs):
        if needed:
            pytest.importorskip(needed)
    fresh = run_fresh(case.code, str(tmp_path))
    execution = full.run(case.code, limits=LIMITS)
    assert (execution.exit_code, printed(case, execution.stdout)) == (fresh.returncode, printed(case, fresh.stdout))
    assert execution.exit_code == case.exit_code, execution.stderr
    assert error(execution.own_stderr) == error(fresh.stderr) or case.exit_code == 0
    assert [found.library for found in execution.reports] == [case.library] * len(case.reports)
    assert all(map(matches, execution.reports, case.reports)), execution.reports


def test_solves_of_all_kinds_work_in_one_program(full: Sandbox):
    names = ("linear_solver maximize", "cp_sat callback", "pulp default solver", "scipy milp", "pyscipopt maximize")
    code = "".join(f"exec({CASES[name].code!r}, {{'__name__': 'part'}})\n" for name in names)
    execution = full.run(code, limits=LIMITS)
    assert execution.status == "ok", execution.stderr
    expected = [report for name in names for report in CASES[name].reports]
    assert all(map(matches, execution.reports, expected))
    assert len(execution.reports) == len(expected)
