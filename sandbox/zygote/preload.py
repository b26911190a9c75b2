"""Load the libraries of an import group before the first fork, so that a program gets them at the cost of a fork.

Importing is not enough: the first solve in a process binds symbols, fills tables and writes to pages, and a child would
pay for a copy of each page. So each library solves a tiny model here, once. The exception is HiGHS: its scheduler keeps
threads, so the children of a process that has solved with it hang, and it prints its version with the first model of a
process, which must be a program's.
"""

import contextlib
import gc
import importlib
import sys
from collections.abc import Callable, Iterable
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
from typing import Any

from storm_calm.sandbox import probe
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.zygote import kernel, namespaces

_HUGE_PAGE = 2 << 20  # bytes


def load(libraries: Iterable[str], folder: str) -> Channel:
    """Import and warm those of `libraries` that are installed, and return the channel for solver reports.

    folder: the folder of the libraries. From here on only this folder and the standard library can be imported.
    """
    sys.path[:] = [*namespaces.standard_library(), folder]
    # Drops the finders that editable installs add.
    sys.meta_path[:] = [BuiltinImporter, FrozenImporter, PathFinder]
    sys.path_importer_cache.clear()
    loaded = []
    for library in libraries:
        with contextlib.suppress(ImportError):
            importlib.import_module(library)
            loaded.append(library)
    channel = probe.install()  # Not opened yet, so solves in this process are not reported.
    for library in loaded:
        warm(library)
    sys.modules.pop("__main__", None)
    return channel


def warm(library: str) -> None:
    """Solve a tiny model with `library`, if it is loaded and listed in `_WARM`."""
    if library not in _WARM or library not in sys.modules:
        return
    # Another version of the library may lack these calls; its programs then start a little slower.
    with contextlib.suppress(Exception):
        _WARM[library](sys.modules[library])
    # Otherwise its output would appear in the output of a program.
    sys.stdout.flush()
    kernel.libc.fflush(None)


def freeze_memory() -> None:
    """Make forks cheap. Call this after loading, right before the first fork."""
    # After the freeze, a collection in a child leaves these objects alone and does not copy their pages.
    gc.collect()
    gc.freeze()
    # A fork copies one page table entry for a huge page instead of 512.
    with open("/proc/self/maps", encoding="ascii", errors="replace") as file:
        maps = file.read().splitlines()
    for line in maps:
        bounds, rights, *_, name = f"{line} -".split(" ", 5)
        if rights == "rw-p" and "/" not in name:
            start, end = (int(bound, 16) for bound in bounds.split("-"))
            kernel.collapse(-(-start // _HUGE_PAGE) * _HUGE_PAGE, end // _HUGE_PAGE * _HUGE_PAGE)


def _numpy(numpy: Any) -> None:
    numpy.linalg.solve(numpy.eye(3), numpy.ones(3))
    numpy.random.seed(1)


def _pandas(pandas: Any) -> None:
    frame = pandas.DataFrame({"key": [1, 1, 2], "value": [1.0, 2.0, 3.0]})
    str(frame.groupby("key")["value"].sum())


def _pywraplp(pywraplp: Any) -> None:
    for name in ("GLOP", "CBC", "SCIP", "SAT"):
        solver = pywraplp.Solver.CreateSolver(name)
        if solver:
            variables = [solver.IntVar(0, 3, f"x{i}") for i in range(3)]
            solver.Add(sum(variables) <= 4)
            solver.Maximize(sum(i * variable for i, variable in enumerate(variables)))
            solver.Solve()
            solver.Objective().Value(), variables[0].solution_value()


def _pywrapcp(pywrapcp: Any) -> None:
    manager = pywrapcp.RoutingIndexManager(4, 1, 0)
    routing = pywrapcp.RoutingModel(manager)
    distance = routing.RegisterTransitCallback(lambda start, end: abs(start - end))
    routing.SetArcCostEvaluatorOfAllVehicles(distance)
    routing.SolveWithParameters(pywrapcp.DefaultRoutingSearchParameters()).ObjectiveValue()


def _cp_model(cp_model: Any) -> None:
    model = cp_model.CpModel()
    variables = [model.new_int_var(0, 3, f"x{i}") for i in range(3)] + [model.new_bool_var("y")]
    model.add(sum(variables) <= 4)
    model.add_all_different(variables[:3])
    model.maximize(sum(i * variable for i, variable in enumerate(variables)))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.status_name(solver.solve(model)), solver.objective_value, solver.value(variables[0])


def _mathopt(mathopt: Any) -> None:
    for kind in (mathopt.SolverType.GLOP, mathopt.SolverType.GSCIP):
        model = mathopt.Model()
        whole = kind != mathopt.SolverType.GLOP
        variables = [model.add_variable(lb=0, ub=3, is_integer=whole) for _ in range(3)]
        model.add_linear_constraint(sum(variables) <= 4)
        model.maximize(sum(variables))
        mathopt.solve(model, kind).objective_value()


def _pulp(pulp: Any) -> None:
    model = pulp.LpProblem("warm", pulp.LpMaximize)
    variables = [pulp.LpVariable(f"x{i}", cat="Integer", lowBound=0, upBound=3) for i in range(3)]
    model += pulp.lpSum(variables)
    model += pulp.lpSum(variables) <= 4
    str(model)


def _pyomo(pyomo: Any) -> None:
    model = pyomo.ConcreteModel()
    model.numbers = pyomo.RangeSet(3)
    model.x = pyomo.Var(model.numbers, domain=pyomo.NonNegativeIntegers)
    model.limit = pyomo.Constraint(expr=sum(model.x[i] for i in model.numbers) <= 4)
    model.goal = pyomo.Objective(expr=sum(model.x[i] for i in model.numbers), sense=pyomo.maximize)


def _pyscipopt(pyscipopt: Any) -> None:
    model = pyscipopt.Model()
    model.hideOutput()
    variables = [model.addVar(vtype="I", ub=3) for _ in range(3)]
    model.addCons(sum(variables) <= 4)
    model.setObjective(sum(variables), "maximize")
    model.optimize()
    model.getObjVal()


def _scipy(optimize: Any) -> None:
    optimize.minimize(lambda x: (x[0] - 1) ** 2, [0.0])
    optimize.LinearConstraint([[1.0]], optimize.Bounds(0, 1).lb, 1)


def _cvxpy(cvxpy: Any) -> None:
    x = cvxpy.Variable(3)
    goal = cvxpy.Maximize(cvxpy.sum(x) - cvxpy.sum_squares(x))
    for solver in set(cvxpy.installed_solvers()) & {"CLARABEL", "OSQP", "SCS"}:
        cvxpy.Problem(goal, [cvxpy.sum(x) <= 4, x >= 0]).solve(solver=solver)
    # Variables are numbered by this counter, and a program's must be numbered as in a new process.
    cvxpy.lin_ops.lin_utils.ID_COUNTER.count = 1


_WARM: dict[str, Callable[[Any], object]] = {
    "numpy": _numpy,
    "pandas": _pandas,
    "ortools.linear_solver.pywraplp": _pywraplp,
    "ortools.constraint_solver.pywrapcp": _pywrapcp,
    "ortools.sat.python.cp_model": _cp_model,
    "ortools.math_opt.python.mathopt": _mathopt,
    "pulp": _pulp,
    "pyomo.environ": _pyomo,
    "pyscipopt": _pyscipopt,
    "scipy.optimize": _scipy,
    "cvxpy": _cvxpy,
}
