"""Models that decide nothing: without variables, with a constant objective, or with variables that are all fixed."""

import pytest

from support.probe_reports import report

pytestmark = pytest.mark.slow

SOLVES = {
    "ortools.cp_model": (
        "from ortools.sat.python import cp_model\nm = cp_model.CpModel()\n",
        "v = m.new_int_var({low}, {high}, 'v')\n",
        "m.maximize({goal})\ncp_model.CpSolver().solve(m)",
    ),
    "ortools.linear_solver": (
        "from ortools.linear_solver import pywraplp\nm = pywraplp.Solver.CreateSolver('SCIP')\n",
        "v = m.NumVar({low}, {high}, 'v')\n",
        "m.Maximize({goal})\nm.Solve()",
    ),
    "ortools.model_builder": (
        "from ortools.linear_solver.python import model_builder\nm = model_builder.Model()\n",
        "v = m.new_num_var({low}, {high}, 'v')\n",
        "m.maximize({goal})\nmodel_builder.Solver('scip').solve(m)",
    ),
    "ortools.math_opt": (
        "from ortools.math_opt.python import mathopt\nm = mathopt.Model()\n",
        "v = m.add_variable(lb={low}, ub={high})\n",
        "m.maximize({goal})\nmathopt.solve(m, mathopt.SolverType.GSCIP)",
    ),
    "cvxpy": (
        "import cvxpy as cp\n",
        "v = cp.Variable(bounds=[{low}, {high}])\n",
        "cp.Problem(cp.Maximize({goal}), [v <= 99] if 'v' in globals() else []).solve()",
    ),
    "pulp": (
        "import pulp\nm = pulp.LpProblem('m', pulp.LpMaximize)\n",
        "v = pulp.LpVariable('v', {low}, {high})\nm += v <= 99\n",
        "m += {goal}\nm.solve(pulp.PULP_CBC_CMD(msg=0))",
    ),
    "highspy": (
        "import highspy\nm = highspy.Highs()\nm.silent()\n",
        "v = m.addVariable(lb={low}, ub={high})\n",
        "m.setMaximize()\nm.changeObjectiveOffset(0)\nm.maximize({goal}) if 'v' in str({goal!r}) else m.run()",
    ),
    "pyomo": (
        "from pyomo.environ import *\nm = ConcreteModel()\n",
        "v = m.v = Var(bounds=({low}, {high}))\n",
        "m.o = Objective(expr={goal}, sense=maximize)\n"
        "try: SolverFactory('appsi_highs').solve(m)\nexcept Exception as error: print(error)",
    ),
    "pyscipopt": (
        "from pyscipopt import Model, Expr\nm = Model()\nm.hideOutput()\n",
        "v = m.addVar(lb={low}, ub={high})\n",
        "m.setObjective({goal} + Expr(), 'maximize')\nm.optimize()",
    ),
    "gurobipy": (
        "import gurobipy\nm = gurobipy.Model()\n",
        "v = m.addVar(lb={low}, ub={high})\n",
        "m.setObjective({goal}, -1)\nm.optimize()",
    ),
    "coptpy": (
        "import coptpy\nm = coptpy.Envr().createModel()\n",
        "v = m.addVar(lb={low}, ub={high})\n",
        "m.setObjective({goal}, -1)\nm.solve()",
    ),
    "scipy.optimize": (
        "from scipy.optimize import linprog\n",
        "limits = ({low}, {high})\n",
        "linprog([-1 if 'v' in {goal!r} else 0], bounds=limits)",
    ),
}
WITHOUT_VARIABLES = [library for library in SOLVES if library != "scipy.optimize"]  # SciPy takes no empty model


def program(library, goal, bounds=None):
    start, variable, solve = SOLVES[library]
    low, high = bounds or (0, 0)
    return start + (variable.format(low=low, high=high) if bounds else "") + solve.format(goal=goal)


@pytest.mark.parametrize("library", WITHOUT_VARIABLES)
def test_a_model_without_variables_has_none_and_no_objective(full, library):
    pytest.importorskip(library.partition(".")[0])
    found = report(full, program(library, "42"))
    assert (found.library, found.continuous + found.integer + found.binary, found.fixed) == (library, 0, 0)
    assert (found.sense, found.objective, found.bound) == (None, None, None)


@pytest.mark.parametrize("library", SOLVES)
def test_a_constant_is_not_an_objective(full, library):
    pytest.importorskip(library.partition(".")[0])
    found = report(full, program(library, "42", (0, 9)))
    assert (found.status, found.continuous + found.integer, found.fixed) == ("optimal", 1, 0)
    assert (found.sense, found.objective, found.bound) == (None, None, None)


@pytest.mark.parametrize("library", SOLVES)
@pytest.mark.parametrize(("bounds", "fixed"), [((7, 7), 1), ((0, 7), 0)])
def test_fixed_variables_are_counted(full, library, bounds, fixed):
    pytest.importorskip(library.partition(".")[0])
    found = report(full, program(library, "2 * v", bounds))
    expected = {"scipy.optimize": ("minimize", 7)}.get(library, ("maximize", 14))
    assert (found.status, found.continuous + found.integer, found.fixed) == ("optimal", 1, fixed)
    assert (found.sense, round(abs(found.objective), 4)) == expected
