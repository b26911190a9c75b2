"""The tables of status words, compared with the enumerations of the installed libraries."""

import importlib
import re
from typing import get_args

import pytest

from storm_calm.sandbox.execution import SolveStatus
from storm_calm.sandbox.probe import status_words
from storm_calm.sandbox.probe.status_words import StatusTable

TABLES = {name: value for name, value in vars(status_words).items() if isinstance(value, StatusTable)}


def _cp_sat():
    return importlib.import_module("ortools.sat.cp_model_pb2").CpSolverStatus.keys()


def _linear_solver():
    pywraplp = importlib.import_module("ortools.linear_solver.pywraplp")
    responses = importlib.import_module("ortools.linear_solver.linear_solver_pb2").MPSolverResponseStatus
    statuses = ("OPTIMAL", "FEASIBLE", "INFEASIBLE", "UNBOUNDED", "ABNORMAL", "MODEL_INVALID", "NOT_SOLVED")
    assert all(responses.Value(f"MPSOLVER_{name}") == getattr(pywraplp.Solver, name) for name in statuses)
    return {value: name.removeprefix("MPSOLVER_") for name, value in responses.items()}


def _model_builder():
    return list(importlib.import_module("ortools.linear_solver.python.model_builder").SolveStatus.__members__)


def _math_opt():
    return [reason.name for reason in importlib.import_module("ortools.math_opt.python.mathopt").TerminationReason]


def _routing():
    status = importlib.import_module("ortools.constraint_solver.routing_enums_pb2").RoutingSearchStatus
    return {value: name for name, value in status.Value.items()}


def _highs():
    return {int(value): name for name, value in importlib.import_module("highspy").HighsModelStatus.__members__.items()}


def _scipy():
    # SciPy has its five numbers only in its documentation.
    text = importlib.import_module("scipy.optimize").milp.__doc__
    return {int(number) for number in re.findall(r"``(\d)`` : ", text[text.index("status : int") :])}


def _cvxpy():
    settings = importlib.import_module("cvxpy.settings")
    listed = {*settings.SOLUTION_PRESENT, *settings.INF_OR_UNB, *settings.INACCURATE, *settings.ERROR}
    return {value: next(name for name, other in vars(settings).items() if other == value) for value in listed}


def _pulp(prefix):
    constants = importlib.import_module("pulp.constants")
    named = [(name, value) for name, value in vars(constants).items() if name.startswith(prefix)]
    return {value: name for name, value in named if isinstance(value, int) and value in getattr(constants, prefix)}


def _pyomo(module):
    return [condition.name for condition in importlib.import_module(module).TerminationCondition]


def _scip():
    statuses = importlib.import_module("pyscipopt.scip").PY_SCIP_STATUS
    return {name.lower(): name for name in vars(statuses) if name.isupper()}


def _gurobi():
    status = importlib.import_module("gurobipy").GRB.Status
    return {getattr(status, name): name for name in dir(status) if name.isupper()}


def _copt():
    constants = vars(importlib.import_module("coptpy").COPT)
    names = list(constants)
    return {constants[name]: name for name in names[names.index("UNSTARTED") : names.index("CBCONTEXT_MIPRELAX")]}


ENUMERATIONS = {
    "CP_SAT": _cp_sat,
    "LINEAR_SOLVER": _linear_solver,
    "MODEL_BUILDER": _model_builder,
    "MATH_OPT": _math_opt,
    "ROUTING": _routing,
    "HIGHS": _highs,
    "SCIPY": _scipy,
    "CVXPY": _cvxpy,
    "PULP": lambda: _pulp("LpStatus"),
    "PULP_SOLUTION": lambda: _pulp("LpSolution"),
    "PYOMO": lambda: _pyomo("pyomo.opt"),
    "PYOMO_APPSI": lambda: _pyomo("pyomo.contrib.appsi.base"),
    "PYOMO_SOLVER": lambda: _pyomo("pyomo.contrib.solver.common.results"),
    "SCIP": _scip,
    "GUROBI": _gurobi,
    "COPT": _copt,
}


def test_each_table_has_a_test():
    assert set(ENUMERATIONS) == set(TABLES)


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLES)
def test_a_table_has_every_value_of_its_enumeration(name):
    table = TABLES[name]
    try:
        values = ENUMERATIONS[name]()
    except ModuleNotFoundError as error:
        pytest.skip(f"{error.name} is not installed")
    assert set(table.words) == set(values)
    if isinstance(values, dict):
        assert {value: constant for value, (constant, _) in table.words.items()} == values


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_table_has_a_source_and_known_statuses(table):
    assert table.enumeration
    assert table.source.startswith("https://")
    assert {status for _, status in table.words.values()} <= {*get_args(SolveStatus), "stopped"}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_only_a_solver_with_a_solution_that_stopped_is_feasible(table):
    for value, (_, status) in table.words.items():
        expected = ("limit", "feasible") if status == "stopped" else (status, status)
        assert (table.status(value), table.status(value, has_solution=True)) == expected


@pytest.mark.parametrize("value", [None, -77, "a later word", 2.5, [], object()])
def test_an_unknown_value_is_an_error(value):
    assert {table.status(value, has_solution=True) for table in TABLES.values()} == {"error"}


def test_infeasible_or_unbounded_is_infeasible_in_every_library():
    words = [word for table in TABLES.values() for word in table.words.values()]
    undecided = {name: status for name, status in words if "or" in name.lower() and "unb" in name.lower()}
    undecided |= {name: status for name, status in words if name in ("INF_OR_UNB", "INF_OR_UNBD", "INFORUNBD")}
    assert len(undecided) >= 6
    assert set(undecided.values()) == {"infeasible"}
