"""Reports of the probe, and that it does not change a solve."""

import pytest

from storm_calm.sandbox import Limits
from support.probe_reports import MARKET

pytest.importorskip("ortools")

CP = "from ortools.sat.python import cp_model\nm = cp_model.CpModel()\ns = cp_model.CpSolver()\n"
LP = "from ortools.linear_solver import pywraplp\ninf = pywraplp.Solver.infinity()\n"

KNAPSACK = (
    CP
    + """
x = [m.new_bool_var(f"x{i}") for i in range(3)]
n = m.new_int_var(0, 7, "n")
m.add(3 * x[0] + 4 * x[1] + 5 * x[2] + n <= 8)
m.maximize(4 * x[0] + 5 * x[1] + 7 * x[2] + n)
print(s.status_name(s.solve(m)), s.objective_value)
"""
)


def report(sandbox, code, **limits):
    execution = sandbox.run(code, limits=Limits(**limits))
    assert execution.status == "ok", execution.stderr
    assert len(execution.reports) == 1
    return execution.reports[0]


def test_cp_sat_is_reported(sandbox):
    found = report(sandbox, KNAPSACK)
    assert (found.library, found.solver, found.status, found.sense) == (
        "ortools.cp_model",
        "CP-SAT",
        "optimal",
        "maximize",
    )
    assert (found.objective, found.bound, found.gap) == (11.0, 11.0, 0.0)
    assert (found.continuous, found.integer, found.binary, found.constraints) == (0, 1, 3, 1)
    assert 0 < found.seconds < 5


@pytest.mark.parametrize(
    ("model", "status", "sense", "objective"),
    [
        ("x = m.new_int_var(1, 9, ''); m.minimize(x)", "optimal", "minimize", 1.0),
        ("x = m.new_int_var(1, 9, ''); m.maximize(0.5 * x + 0.25)", "optimal", "maximize", 4.75),
        ("x = m.new_int_var(1, 9, ''); m.minimize(0.5 * x)", "optimal", "minimize", 0.5),
        ("x = m.new_int_var(1, 9, ''); m.add(x == 2)", "optimal", None, None),
        ("x = m.new_int_var(1, 9, ''); m.add(x > 9); m.minimize(x)", "infeasible", "minimize", None),
        ("x = m.new_int_var(-2**62, 2**62, ''); m.add(9 * x <= 2**62)", "error", None, None),
    ],
)
def test_cp_sat_statuses_and_senses(full, model, status, sense, objective):
    found = report(full, f"{CP}{model}\ns.solve(m)")
    assert (found.status, found.sense, found.objective) == (status, sense, objective)


def test_a_solve_that_stops_early_is_reported_as_stopped(full):
    hard = """
n = 60
x = [[m.new_bool_var("") for _ in range(n)] for _ in range(n)]
for i in range(n): m.add_exactly_one(x[i]); m.add_exactly_one(x[j][i] for j in range(n))
m.maximize(sum((i * 7919 + j * 104729) % 1009 * x[i][j] * 1 for i in range(n) for j in range(n)))
"""
    never = report(full, f"{CP}{hard}\ns.parameters.max_deterministic_time = 1e-9\ns.solve(m)")
    assert (never.status, never.objective) == ("limit", None)
    early = report(
        full, f"{CP}{hard}\ns.parameters.stop_after_first_solution = True\ns.parameters.num_workers = 1\ns.solve(m)"
    )
    assert early.status == "feasible"
    assert early.gap == pytest.approx(abs(early.objective - early.bound) / early.objective)
    assert early.gap > 0


SOLVERS = {
    "GLOP": "GLOP",
    "PDLP": "PDLP",
    "CLP": "CLP",
    "CBC": "CBC",
    "SCIP": "SCIP",
    "SAT": "CP-SAT",
    "HIGHS": "HIGHS",
}


@pytest.mark.parametrize(("name", "expected"), SOLVERS.items())
def test_every_linear_solver_is_reported(full, name, expected):
    code = f"""{LP}
s = pywraplp.Solver.CreateSolver({name!r})
lp = {name!r} in ("GLOP", "PDLP", "CLP")
x, y = s.NumVar(0, 5, "x"), (s.NumVar if lp else s.IntVar)(0, 1, "y")
z = (s.NumVar if lp else s.IntVar)(0, 9, "z")
s.Add(x + y + z <= 3.5); s.Add(z <= 1)
s.Maximize(2 * x + 3 * y + z)
s.Solve()
"""
    found = report(full, code)
    assert (found.library, found.solver, found.status, found.sense) == (
        "ortools.linear_solver",
        expected,
        "optimal",
        "maximize",
    )
    assert found.objective == pytest.approx(8, abs=1e-4)
    assert found.gap == pytest.approx(0, abs=1e-4)
    counts = (3, 0, 0) if name in ("GLOP", "PDLP", "CLP") else (1, 1, 1)
    assert (found.continuous, found.integer, found.binary) == counts
    assert found.constraints == 2


@pytest.mark.parametrize(
    ("model", "status", "sense"),
    [
        ("s.Add(x >= 1); s.Add(x <= 0); s.Minimize(x)", "infeasible", "minimize"),
        ("s.Maximize(x)", "unbounded", "maximize"),
        ("s.Add(x >= 1)", "optimal", None),
    ],
)
def test_linear_statuses_and_senses(full, model, status, sense):
    found = report(full, f"{LP}s = pywraplp.Solver.CreateSolver('SCIP')\nx = s.NumVar(0, inf, 'x')\n{model}\ns.Solve()")
    assert (found.status, found.sense) == (status, sense)
    assert (found.objective is None) == (status != "optimal" or sense is None)


@pytest.mark.alone
@pytest.mark.parametrize("function", ["SetTimeLimit", "set_time_limit"])
def test_the_programs_own_time_limit_is_kept(full, function):
    code = f"""{MARKET}{LP}
s = pywraplp.Solver.CreateSolver("CBC")
x = [s.BoolVar("") for _ in range(COLUMNS)]
y = [s.NumVar(0, inf, "") for _ in range(2 * ROWS)]
for i in range(ROWS):
    s.Add(sum(A[i][j] * x[j] for j in range(COLUMNS)) + y[i] - y[ROWS + i] == B[i])
s.Minimize(sum(y))
s.{function}(200)
s.Solve()
"""
    found = report(full, code)
    assert found.status in ("feasible", "limit")
    assert found.seconds == pytest.approx(0.2, abs=0.15)


def test_every_solve_is_reported_in_order(full):
    code = KNAPSACK + "m.add(x[2] == 0)\ns.solve(m)\nm.add(n == 9)\ns.solve(m)\nimport os\nos._exit(3)"
    execution = full.run(code)
    assert [found.status for found in execution.reports] == ["optimal", "optimal", "infeasible"]
    assert [found.objective for found in execution.reports] == [11.0, 10.0, None]


def test_reports_of_a_failing_or_endless_program_are_kept(full):
    assert len(full.run(KNAPSACK + "1 / 0").reports) == 1
    execution = full.run(KNAPSACK + "while True: pass", limits=Limits(seconds=1))
    assert (execution.status, len(execution.reports)) == ("timeout", 1)


def test_solves_in_forked_processes_are_reported(full):
    code = KNAPSACK + "import os\nos.wait() if os.fork() else s.solve(m)"
    assert len(full.run(code).reports) == 2


def test_unset_parameters_are_set_for_the_solve_and_cleared_after_it(full):
    code = (
        CP
        + "x = m.new_int_var(0, 9, 'x')\nm.maximize(x)\ns.parameters.log_search_progress = True\n"
        + "s.solve(m)\nprint(repr(str(s.parameters)))"
    )
    output = full.run(code, limits=Limits(seconds=8)).stdout
    assert "num_workers: 1" in output
    lent = float(output.partition("max_time_in_seconds: ")[2].split()[0])
    assert 5 < lent < 8
    assert output.endswith("'log_search_progress: true'\n")


def test_parameters_of_the_program_are_kept(full):
    code = (
        CP
        + "x = m.new_int_var(0, 9, 'x')\nm.maximize(x)\np = s.parameters\n"
        + "p.num_workers = 3\np.max_time_in_seconds = 99\np.log_search_progress = True\n"
        + "s.solve(m)\nprint(p.num_workers, p.max_time_in_seconds)"
    )
    output = full.run(code).stdout
    assert "max_time_in_seconds: 99" in output
    assert "num_workers: 3" in output
    assert output.endswith("3 99.0\n")


def test_a_slow_solve_ends_before_the_program_is_stopped(full):
    code = """
import random
random.seed(1)
n = 120
x = [[m.new_bool_var("") for _ in range(n)] for _ in range(8)]
for i in range(n): m.add_exactly_one(row[i] for row in x)
load = m.new_int_var(0, 10**9, "")
size = [random.randint(10**5, 10**6) for _ in range(n)]
for row in x: m.add(sum(a * b for a, b in zip(size, row)) <= load)
m.minimize(load)
print(s.status_name(s.solve(m)))
"""
    execution = full.run(CP + code, limits=Limits(seconds=3))
    assert (execution.status, execution.reports[0].status) == ("ok", "feasible")


def test_a_slow_linear_solve_ends_before_the_program_is_stopped(full):
    code = f"""{LP}
import random
random.seed(1)
s = pywraplp.Solver.CreateSolver('SCIP')
n = 120
x = [[s.BoolVar("") for _ in range(n)] for _ in range(8)]
for i in range(n): s.Add(sum(row[i] for row in x) == 1)
load = s.NumVar(0, inf, "")
size = [random.randint(10**5, 10**6) for _ in range(n)]
for row in x: s.Add(sum(a * b for a, b in zip(size, row)) <= load)
s.Minimize(load)
print(s.Solve())
"""
    execution = full.run(code, limits=Limits(seconds=3))
    assert execution.status == "ok"
    assert execution.reports[0].status in ("feasible", "limit")


def test_an_exception_of_a_solve_is_unchanged(full):
    code = CP + "try: s.solve(7)\nexcept AttributeError as error: print(type(error).__name__, error)"
    execution = full.run(code)
    assert execution.stdout.startswith("AttributeError 'int' object has no attribute")
    assert execution.reports == ()


def test_wrapped_functions_keep_their_name_and_docstring(full):
    code = f"{CP}{LP}solver = pywraplp.Solver\n"
    code += "print(cp_model.CpSolver.solve.__doc__, solver.Solve.__name__, solver.CreateSolver('nonsense'))"
    assert (
        full.run(code).stdout == "Solves a problem and passes each solution to the callback if not null. Solve None\n"
    )


def test_solution_callbacks_are_called(full):
    code = (
        KNAPSACK
        + """
class Seen(cp_model.CpSolverSolutionCallback):
    def on_solution_callback(self): print("solution", self.objective_value)
s.solve(m, Seen())
s.Solve(m, Seen())
"""
    )
    execution = full.run(code)
    assert execution.stdout.count("solution 11.0") >= 2
    assert len(execution.reports) == 3


def test_closing_the_report_pipe_only_loses_reports(full):
    execution = full.run("import os\nos.close(3)\n" + KNAPSACK)
    assert (execution.stdout, execution.reports) == ("OPTIMAL 11.0\n", ())
