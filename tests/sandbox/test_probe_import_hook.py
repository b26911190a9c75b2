"""Libraries that the program imports itself, reloads or fails to import; and traces of the probe in a program."""

import sys
import types

import pytest

from storm_calm.sandbox.execution import SolverReport
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.import_hook import ImportHook
from storm_calm.sandbox.probe.watching import Solved, watch_function
from support.probe_reports import counts, report

pytestmark = pytest.mark.slow

PROGRAMS = {
    "ortools.linear_solver": (
        "from ortools.linear_solver import pywraplp\ns = pywraplp.Solver.CreateSolver('SCIP')\n"
        "s.Maximize(s.IntVar(0, 7, ''))\ns.Solve()"
    ),
    "ortools.cp_model": (
        "from ortools.sat.python import cp_model\nm = cp_model.CpModel()\nm.maximize(m.new_int_var(0, 7, ''))\n"
        "cp_model.CpSolver().solve(m)"
    ),
    "cvxpy": (
        "import cvxpy as cp\nx = cp.Variable(integer=True)\ncp.Problem(cp.Maximize(x), [x <= 7]).solve(solver='SCIPY')"
    ),
    "pulp": (
        "import pulp\np = pulp.LpProblem('p', pulp.LpMaximize)\np += pulp.LpVariable('x', 0, 7, 'Integer')\n"
        "p.solve(pulp.HiGHS(msg=0))"
    ),
    "highspy": "import highspy\nh = highspy.Highs()\nh.silent()\nh.maximize(h.addIntegral(ub=7))",
    "pyomo": (
        "from pyomo.environ import *\nm = ConcreteModel()\nm.x = Var(domain=Integers, bounds=(0, 7))\n"
        "m.o = Objective(expr=m.x, sense=maximize)\nSolverFactory('appsi_highs').solve(m)"
    ),
    "pyscipopt": (
        "import pyscipopt\nm = pyscipopt.Model()\nm.hideOutput()\n"
        "m.setObjective(m.addVar(vtype='I', ub=7), 'maximize')\nm.optimize()"
    ),
}


@pytest.mark.parametrize(("library", "program"), PROGRAMS.items())
def test_a_library_that_was_not_preloaded_is_reported(full, library, program):
    pytest.importorskip(library.partition(".")[0])
    # In a string, so that the choice of the import group does not see the import.
    found = report(full, f"import sys\nassert {program.split()[1]!r} not in sys.modules\nexec({program!r})")
    assert (found.library, found.status, found.sense, found.objective) == (library, "optimal", "maximize", 7)
    assert counts(found)[1] == 1


def test_a_reloaded_library_is_reported_once(full):
    code = """
import importlib, sys
from ortools.sat.python import cp_model
def solve():
    m = cp_model.CpModel()
    m.maximize(m.new_int_var(0, 7, ''))
    cp_model.CpSolver().solve(m)
solve()
cp_model = importlib.reload(cp_model)
solve()
del sys.modules["ortools.sat.python.cp_model"]
from ortools.sat.python import cp_model
solve()
"""
    execution = full.run(code)
    assert execution.status == "ok", execution.stderr
    assert [found.objective for found in execution.reports] == [7, 7, 7]


def test_a_programs_own_module_with_a_library_name_is_not_wrapped(full):
    code = "exec(\"open('pulp.py', 'w').write('x = 6 / 0')\\nimport pulp\")"
    execution = full.run(code)
    assert execution.stderr.endswith("ZeroDivisionError: division by zero\n")
    assert "probe" not in execution.stderr
    assert "importlib" not in execution.stderr
    assert full.run(
        code.replace("6 / 0", "5") + "\nprint(pulp.x, pulp.__loader__.exec_module.__qualname__)"
    ).stdout == ("5 _LoaderBasics.exec_module\n")


def test_an_import_that_fails_raises_the_same_error(full):
    program = "import sys\nsys.modules['highspy'] = None\ntry: import highspy\nexcept ImportError as e: print(e)"
    assert full.run(f"exec({program!r})").stdout == "import of highspy halted; None in sys.modules\n"


def test_a_caught_traceback_has_no_frame_of_the_probe(full):
    code = (
        "import traceback\nfrom ortools.sat.python import cp_model\n"
        "try: cp_model.CpSolver().solve()\nexcept TypeError as error: print(error)"
    )
    assert full.run(code).stdout == "CpSolver.solve() missing 1 required positional argument: 'model'\n"


class _Library:
    """A fake library."""

    def solve(self, inner=None):
        """Solve."""
        if inner is not None:
            inner.solve()
        return 1


class _Sent(Channel):
    def __init__(self):
        super().__init__()
        self.sent = []

    def send(self, report, record=None):
        self.sent.append(report)


def _watched(watcher):
    kind = type("Library", (_Library,), {"solve": lambda self, inner=None: _Library.solve(self, inner)})
    channel = _Sent()
    watch_function(kind, "solve", channel, watcher)
    return kind, channel


def test_only_the_outermost_of_nested_solves_is_reported():
    def watcher(call):
        outcome = yield
        name = str(outcome.inner is not None)
        return Solved(report=lambda: SolverReport(library="l", solver=name, status="optimal"))

    kind, channel = _watched(watcher)
    kind().solve(kind())
    kind().solve()
    assert [found.solver for found in channel.sent] == ["True", "False"]


@pytest.mark.parametrize("when", ["before", "after", "in the report"])
def test_a_failing_watcher_does_not_change_the_solve(when):
    def watcher(call):
        if when == "before":
            raise RuntimeError
        yield
        if when == "after":
            raise RuntimeError
        return Solved(report=lambda: 1 / 0)

    kind, channel = _watched(watcher)
    assert kind().solve() == 1
    assert channel.sent == []


def test_the_import_hook_delegates_to_the_other_finders(tmp_path, monkeypatch):
    (tmp_path / "arriving.py").write_text("x = 5")
    monkeypatch.syspath_prepend(str(tmp_path))
    seen: list[types.ModuleType] = []
    monkeypatch.setattr(sys, "meta_path", [ImportHook({"arriving": seen.append}), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "arriving", raising=False)
    import arriving

    assert seen == [arriving]
    assert "exec_module" not in vars(arriving.__loader__)
    monkeypatch.delitem(sys.modules, "arriving")
