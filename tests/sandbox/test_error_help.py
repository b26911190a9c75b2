"""Errors in solver libraries come with help: names that exist, and a usage that works."""

import re

import pytest

from storm_calm.sandbox import Limits, open_sandbox
from storm_calm.sandbox.error_help import help_on, usages

PYWRAPLP = "from ortools.linear_solver import pywraplp\nsolver = pywraplp.Solver.CreateSolver('SCIP')\n"
PYWRAPLP += "x = solver.NumVar(0, 1, 'x')\n"
CP_SAT = "from ortools.sat.python import cp_model\nmodel = cp_model.CpModel()\nx = model.new_int_var(0, 9, 'x')\n"
CVXPY = "import cvxpy as cp\nx = cp.Variable()\n"
PULP = "import pulp\nproblem = pulp.LpProblem('plan')\nx = pulp.LpVariable('x')\n"
PYOMO = "import pyomo.environ as pyo\nmodel = pyo.ConcreteModel()\nmodel.x = pyo.Var()\n"
HIGHS = "import highspy\nh = highspy.Highs()\n"
SCIP = "from pyscipopt import Model\nmodel = Model()\nx = model.addVar('x')\n"
GUROBI = "import gurobipy as gp\nmodel = gp.Model()\nx = model.addVar()\n"
SCIPY = "from scipy.optimize import linprog, milp, minimize\n"

TABLE = "import pandas as pd\ntable = pd.DataFrame({'name': ['cost', 'time'], 'value': [3, 4]})\n"

CASES = {
    # Tables.
    TABLE + "table['cost']": "no column of this name",
    TABLE + "table.loc[0, 2]": "no column of this name",
    TABLE + "table['value'].loc['cost']": "no row with this label",
    TABLE + "table['value'][9]": "no row with this label",
    TABLE + "table.loc[9, 'value']": "no row with this label",
    TABLE + "table[['name', 'value']].tolist()": "Use `df.values.tolist()`",
    # Names that do not exist.
    PYWRAPLP + "solver.AddConstraint(x <= 1)": "`pywraplp.Solver` has no `AddConstraint`. Use `solver.Add(",
    PYWRAPLP + "solver.Maximise(x)": "Use `solver.Maximize(2 * x + 3 * y)`",
    PYWRAPLP + "solver.minimise(x)": "Use `solver.Minimize(2 * x + 3 * y)`",
    CVXPY + "cp.minimise(x)": "Use `cp.Minimize(2 * x + 3 * y)`",
    PYOMO + "pyo.min(model.x)": "sense=pyo.minimize",
    PYWRAPLP + "print(x.value())": "Use `x.solution_value()`",
    PYWRAPLP + "solver.SetTimeLim(3)": "Nearest names: `SetTimeLimit`",
    PYWRAPLP + "pywraplp.GLOP": "CreateSolver(",
    "from ortools.linear_solver import LinearSolver": "from ortools.linear_solver import pywraplp",
    "from ortools import pywraplp": "from ortools.linear_solver import pywraplp",
    CP_SAT + "model.AddVariable(0, 3)": "Use `x = model.new_int_var(0, 9",
    CP_SAT + "print(x.value)": "Use `solver.value(x)`",
    CVXPY + "cp.solve(cp.Minimize(x), [x >= 0])": "`cvxpy` has no `solve`. Use `problem = cp.Problem(",
    CVXPY + "cp.Integers(2)": "integer=True",
    CVXPY + "cp.Problem(cp.Minimize(x)).get_value()": "Use `problem.value` and `x.value`",
    PULP + "problem.add_constraint(x <= 1)": "It has `addConstraint`. Use `problem +=",
    PULP + "pulp.LpMaximise": "`LpMaximize`",
    "import pulp\npulp.LpObjective('cost', pulp.LpMinimize)": "pulp.LpMinimize)`, then `problem += 2 * x + 3 * y`",
    "import pulp\npulp.LpProblem('p', pulp.LpMinimize, 3)": "pulp.LpMinimize)`, then `problem += 2 * x + 3 * y`",
    "import pulp\npulp.LpProblem('p', pulp.LpMaximize, 3)": "pulp.LpMaximize)`, then `problem += 2 * x + 3 * y`",
    PULP + "problem.AddVar('y')": "Use `x = pulp.LpVariable(",
    PYOMO + "model.add_constraint(model.x <= 1)": "pyo.Constraint(expr=",
    PYOMO + "pyo.Minimize(model.x)": "pyo.Objective(expr=",
    HIGHS + "h.addConstraint(3)": "Use `h.addConstr(",
    HIGHS + "h.solution()": "Use `h.val(x)`",
    SCIP + "model.addConstr(x <= 1)": "Use `model.addCons(",
    SCIP + "model.solve()": "Use `model.optimize()`",
    GUROBI + "model.add_constraint(x <= 1)": "Use `model.addConstr(",
    GUROBI + "model.optimize()\nprint(x.value)": "Use `x.X`",
    SCIPY + "print(linprog([1]).objective)": "Use `res.fun`",
    "from scipy.optimize import LinearProgram": "import linprog",
    # Wrong arguments.
    SCIPY + "minimize(lambda v: v[0])": "x0=[1.0]",
    SCIPY + "minimize(lambda v: v[0], [1], upper=3)": "`minimize` takes fun, x0",
    SCIPY + "linprog([1], A=[[1]], b=[1])": "`linprog` takes c, A_ub, b_ub",
    SCIPY + "linprog([1, 2], bounds=[(0, 1)] * 3)": "one (low, high) pair per variable",
    SCIPY + "linprog(lambda v: v[0])": "`linprog` takes numbers, not functions",
    SCIPY + "linprog([1], method='best')": 'method="highs"',
    "import scipy.optimize as linprog\nlinprog([1])": "Use `from scipy.optimize import linprog`",
    PYWRAPLP + "solver.Constraint(x <= 1, 'limit')": "Use `solver.Add(",
    PYWRAPLP + "solver.NumVar(0, None, 'y')": "solver.infinity()",
    PYWRAPLP + "solver.Add([x <= 1])": "takes one constraint",
    PYWRAPLP + "solver.Add(x * x <= 1)": "no products",
    PULP + "pulp.LpVariable('y', lower=0)": "lowBound=0",
    SCIP + "model.addVar('y', lower=0)": "`addVar` takes name, vtype, lb, ub",
    HIGHS + "h.addVar()": "h.addVariable(lb=0, ub=9)",
    # Messages of the libraries.
    CVXPY + "cp.Problem(cp.Minimize(x), [x > 1])": "Use `<=` or `>=`",
    PYWRAPLP + "solver.Add(x > 1)": "Use `<=` or `>=`",
    PULP + "problem += x < 1": "Use `<=` or `>=`",
    PYOMO + "model.c = pyo.Constraint(expr=model.x > 1)": "Use `<=` or `>=`",
    SCIP + "model.addCons(x < 1)": "Use `<=` or `>=`",
    CVXPY + "constraints = [0 <= x <= 3]": "no truth value",
    CP_SAT + "model.add(max(x, 3) <= 5)": "no truth value",
    CP_SAT + "model.add(0.5 * x <= 3)": "whole numbers only",
    CP_SAT + "model.add(x / 2 <= 3)": "Multiply both sides",
    CVXPY + "cp.Problem(cp.Minimize(x * cp.Variable())).solve()": "convex models only",
    CVXPY + "cp.Problem(x, [x >= 0])": "cp.Problem(cp.Maximize(",
    CVXPY + "cp.Problem(cp.Minimize(x), [x >= 0]).solve(solver=cp.MOSEK)": "Installed solvers: ",
    CVXPY + "cp.Problem(cp.Minimize(cp.Variable(integer=True))).solve(solver=cp.CLARABEL)": "solver=cp.HIGHS",
    CVXPY + "print(x.value.round())": "Print `problem.status` first",
    SCIPY + "print(linprog([1], A_ub=[[1]], b_ub=[-1]).x[0])": "Print `res.message` first",
    PULP + "print(x.value() * 2)": "Print `pulp.LpStatus[problem.status]` first",
    PULP + "problem.setObjective(x <= 3)\nproblem.solve()": "The objective is a constraint",
    PULP + "problem += x\nproblem.solve(pulp.GLPK_CMD())": "pulp.PULP_CBC_CMD(msg=False)",
    PULP + "problem += x * pulp.LpVariable('y')": "no products",
    PYOMO + "model.o = pyo.Objective(expr=model.x)\npyo.SolverFactory('glpk').solve(model)": "appsi_highs",
    PYOMO + "print(pyo.value(model.x))": "The variable has no value",
    GUROBI + "xs = model.addVars(3000)\nmodel.addConstr(xs.sum() <= 3)\nmodel.optimize()": "small models only",
    PYWRAPLP + "pywraplp.Solver.CreateSolver('BEST').NumVar(0, 1, 'x')": "Names of solvers: GLOP, ",
    "from ortools.linear_solver import pywraplp\npywraplp.Solver('SCIP')": "CreateSolver(",
    "from ortools.sat import cp_model": "from ortools.sat.python import cp_model",
    PYWRAPLP + "solver.Add(x / x <= 1)": "no products, ratios",
    CP_SAT + "model.add(x * x <= 3)": "model.add_multiplication_equality(z, [x, y])",
    CP_SAT + "model.add(x ** 2 <= 3)": "model.add_multiplication_equality(z, [x, y])",
    CP_SAT + "model.add(x + x <= 3.5)": "whole numbers only",
    CP_SAT + "model.new_int_var('y', 0, 9)": 'model.new_int_var(0, 9, "x")',
    CP_SAT + "model.NewRealVar(0, 9, 'y')": "model.new_int_var(0, 9",
    CVXPY + "cp.Problem(cp.Maximize(cp.Variable(2)))": "cp.sum(x)",
    CVXPY + "cp.Problem(cp.Minimize(x), x >= 1)": "cp.Problem(cp.Minimize(2 * x), [x <= 5])",
    CVXPY + "cp.Minimize(x).solve()": "problem.solve()",
    PULP + "problem += max(x, pulp.LpVariable('y'))": "add a variable z with z >= x",
    PULP + "problem += x\nproblem += x >= 1\nproblem.solve()\nprint(x.varValue())": "Write it without `()`",
    PULP + "problem.solve(solver='CBC')": "pulp.PULP_CBC_CMD(msg=False)",
    PULP + "problem += x / x <= 3": "no products, ratios",
    PYOMO + "model.c = pyo.Constraint(model.x <= 5)": "pyo.Constraint(expr=",
    PYOMO + "model.o = pyo.Objective(expr=model.x)\npyo.SolverFactory('appsi_highs').solve(model)": (
        "load_solutions=False"
    ),
    PYOMO + "model.c = pyo.ConstraintList()\nmodel.c.append(model.x <= 5)": "model.limits.add(",
    HIGHS + "h.changeObjectiveSense(-1)": "h.maximize(",
    SCIP + "model.addCons(x)": "model.addCons(2 * x + 3 * y <= 10)",
    SCIP + "model.setObjective(x, sense='max')": '"maximize"',
    GUROBI + "model.setObjective(x, gp.GRB.MAX)": "gp.GRB.MAXIMIZE",
    PULP
    + "problem += x >= 1\nproblem.solve()\nprint(pulp.value(problem.objective))": "The problem has no objective. Use",
    PULP + "problem += x >= 1\nprint(problem.objective.value())": "The problem has no objective. Use",
    # Names that the program has not defined.
    PULP + "y = LpVariable('y')": "write `pulp.LpVariable`",
    "problem = LpProblem('plan', LpMinimize)": "add `import pulp`, and write `pulp.LpProblem`",
    "from pulp import *\nproblem = pulp.LpProblem('plan', pulp.LpMinimize)": "`import pulp`, without `*`",
    "print(np.array([1]))": "Add `import numpy as np`",
    "import math\nprint(ceil(2.5))": "write `math.ceil`",
    PULP + "print(total)": "`total` has no value here. Write the whole program in one block",
    # Missing libraries and limits.
    "import cvxopt": "Solver libraries that can be imported: ",
    "import pywraplp": "Use `from ortools.linear_solver import pywraplp`",
    "import ortools.glopp": "`ortools` has no module `glopp`. Nearest: `glop`",
    "input()": "Standard input is empty",
    "open('/model.lp', 'w')": "Use a relative path",
    "open('x', 'wb').truncate(1 << 40)": "limited to 64 MB",
    "files = [open('/dev/null') for _ in range(999)]": "At most 256 files",
    "raise OSError(11, 'Resource temporarily unavailable')": "The limit of 64 on processes",
}


@pytest.fixture(scope="module")
def sandbox():
    with open_sandbox(minimum_isolation="landlock", workers=1, limits=Limits(seconds=20)) as opened:
        yield opened


@pytest.mark.parametrize("code", CASES)
def test_an_error_comes_with_help(sandbox, code):
    for library in re.findall(r"(?:import|from) (gurobipy|pyscipopt|highspy|pyomo|pulp|cvxpy|ortools|scipy)\b", code):
        pytest.importorskip(library)
    execution = sandbox.run(code)
    assert execution.status == "error"
    assert CASES[code] in execution.help, execution.stderr
    assert execution.stderr == f"{execution.own_stderr}{execution.help}\n"
    assert len(execution.help) < 400


SETUPS = {
    "ortools": PYWRAPLP,
    "pywraplp": f"{PYWRAPLP}y = x\nexpression = 2 * x\nobjective = solver.Objective()\n"
    "constraint = solver.Add(x <= 1)\nsolver.Maximize(x)\nsolver.Solve()",
    "cp_model": f"{CP_SAT}y = x\nmodel.maximize(x)\nsolver = cp_model.CpSolver()\nstatus = solver.solve(model)",
    "model_builder": "from ortools.linear_solver.python import model_builder\nmodel = model_builder.Model()\n"
    "x = y = model.new_num_var(0, 9, 'x')\nsolver = model_builder.Solver('scip')\nsolver.solve(model)",
    "scipy": f"{SCIPY}import numpy as np\nfrom scipy.optimize import Bounds, LinearConstraint\nres = linprog([1])",
    "cvxpy": f"{CVXPY}y = x\nexpression = 2 * x\nproblem = cp.Problem(cp.Minimize(x), [x >= 1, x <= 5])\n"
    "problem.solve()",
    "pulp": f"{PULP}y = x\nexpression = 2 * x\nproblem += x\nproblem += x >= 1\n"
    "problem.solve(pulp.PULP_CBC_CMD(msg=0))",
    "pyomo": "import pyomo.environ as pyo\nmodel = pyo.ConcreteModel()\n"
    "model.x = pyo.Var(bounds=(0, 1), initialize=1)\nmodel.goal = pyo.Objective(expr=model.x)\n"
    "results = pyo.SolverFactory('appsi_highs').solve(model)",
    "highspy": f"{HIGHS}x = y = h.addVariable(0, 1)\nh.maximize(x)",
    "pyscipopt": f"{SCIP}y = x\nmodel.setObjective(x)\nmodel.optimize()",
    "gurobipy": f"{GUROBI}y = x\nmodel.optimize()",
    "coptpy": "import coptpy as cp\nfrom coptpy import COPT\nmodel = cp.Envr().createModel('plan')\n"
    "x = y = model.addVar(lb=0)\nmodel.setObjective(x)\nmodel.solve()",
}
ALIASES = {"linprog": "scipy", "milp": "scipy", "minimize": "scipy", "linear_solver": "pywraplp"}


@pytest.mark.slow
@pytest.mark.parametrize("owner", usages.USAGES)
def test_every_usage_works(sandbox, owner):
    top = "cp_model" if "cp_model" in owner else owner.partition(".")[0]
    pytest.importorskip({"pywraplp": "ortools", "cp_model": "ortools", "model_builder": "ortools"}.get(top, "numpy"))
    setup = SETUPS[ALIASES.get(top, top)]
    if top in ("gurobipy", "coptpy"):
        pytest.importorskip(top)
    for text in usages.USAGES[owner].values():
        for code in re.findall(r"`([^`]+)`", usages.quoted(text)):
            if code.isidentifier():
                continue  # a class that the usage mentions
            execution = sandbox.run(f"{setup}\n{again(code)}{code}")
            assert execution.status == "ok", f"{code}: {execution.stderr}"


def again(code):
    """Return a statement without which `code` can't follow the setup, which has solved a model already."""
    if found := re.match(r"model\.(x|goal) = ", code):
        return f"model.del_component(model.{found[1]})\n"
    return "getattr(model, 'freeTransform', print)()\n" if re.search(r"model\.(add|setObj)", code) else ""


def test_the_usages_of_tables_work(sandbox):
    code = "table.set_index('name').loc['cost', 'value'], table['value'].iloc[0], table.values.tolist()"
    assert sandbox.run(f"{TABLE}print(*[{code}])").stdout == "3 3 [['cost', 3], ['time', 4]]\n"


def test_a_traceback_begins_with_the_line_of_the_program_and_not_with_a_cause_inside_a_library(sandbox):
    lines = sandbox.run(f"{TABLE}table['cost']").stderr.splitlines()
    assert lines[1:3] == ['  File "main.py", line 3, in <module>', "    table['cost']"]
    caught = "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise ValueError('no') from error"
    assert "ZeroDivisionError" in sandbox.run(caught).stderr


@pytest.mark.parametrize(
    "code",
    [
        "1 / 0",
        "raise SystemExit(3)",
        "raise SystemExit('bye')",
        "{}['x']",
        "class A: pass\nA().x",
        "import pulp\nraise ValueError('no plan')",
        "import pulp\ndef f(a): pass\nf()",
        "x = None\nx.y",
        "total = 1\nprint(totl)",
        "pront(1)",
    ],
)
def test_other_errors_come_without_help(sandbox, code):
    execution = sandbox.run(code)
    assert (execution.status, execution.help) == ("error", "")


def test_caught_errors_stay_as_they_are(sandbox):
    code = f"{PULP}try: problem.add_constr\nexcept AttributeError as error: print(error)"
    execution = sandbox.run(code)
    assert (execution.status, execution.stdout, execution.stderr) == (
        *("ok", "'LpProblem' object has no attribute 'add_constr'\n", ""),
    )


def test_help_is_not_written_to_the_output_of_a_program_that_redirects_errors(sandbox):
    execution = sandbox.run("import sys\nsys.stderr = sys.stdout\nimport cvxopt")
    assert execution.stdout.endswith("ModuleNotFoundError: No module named 'cvxopt'\n")
    assert execution.stderr == ""


def test_a_program_with_its_own_hook_gets_no_help(sandbox):
    execution = sandbox.run("import sys\nsys.excepthook = lambda *_: print('mine')\nimport cvxopt")
    assert (execution.stdout, execution.stderr) == ("mine\n", "")


def test_a_failed_block_of_a_session_comes_with_help(sandbox):
    with sandbox.session() as session:
        session.run(PULP)
        assert "`problem += 2 * x + 3 * y <= 10`" in session.run("problem.add_constr(x <= 1)").help


class Hostile(AttributeError):
    def __str__(self):
        raise RecursionError

    __repr__ = __str__


class Listed:
    def __dir__(self):
        raise KeyboardInterrupt

    @property
    def __class__(self):
        raise SystemExit(5)


@pytest.mark.parametrize(
    "error",
    [
        Hostile("x"),
        AttributeError("x", name="y", obj=Listed()),
        AttributeError("x" * 1_000_000, name="y" * 1_000_000, obj=re),
        ImportError("cannot import name 'x' from '" + "a." * 100_000 + "'"),
        ModuleNotFoundError("x", name="." * 1000),
        ModuleNotFoundError("x", name=3),
        TypeError("(" * 100_000 + "() missing 1"),
        TypeError("a." * 100_000 + "b() missing 1"),
    ],
)
def test_help_never_raises(error):
    assert len(help_on(error)) < 500


def test_a_name_in_help_is_never_longer_than_the_help(sandbox):
    execution = sandbox.run(f"import pulp\npulp.{'y' * 5000}")
    assert execution.status == "error"
    assert len(execution.help) < 400
