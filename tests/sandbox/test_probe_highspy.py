"""Solves with highspy."""

import pytest

from storm_calm.sandbox import Limits
from support.highs import without_banner
from support.probe_reports import MARKET, MARKET_COUNTS, SHORT, counts, report, report_and_output, values

pytestmark = pytest.mark.slow

pytest.importorskip("highspy")

H = "import highspy\nh = highspy.Highs()\nh.silent()\n"
MODEL = H + "x, y = h.addIntegral(lb=0, ub=5), h.addBinary()\nc = h.addConstr(2 * x + y <= 7.5)\n"


@pytest.mark.parametrize(
    ("model", "status", "sense", "objective", "counted"),
    [
        (MODEL + "h.maximize(2 * x + y)", "optimal", "maximize", 7, (0, 1, 1, 1)),
        (MODEL + "h.minimize(2 * x - y)", "optimal", "minimize", -1, (0, 1, 1, 1)),
        (MODEL + "h.run()", "optimal", None, None, (0, 1, 1, 1)),
        (MODEL + "h.addConstr(x >= 6)\nh.minimize(x)", "infeasible", "minimize", None, (0, 1, 1, 2)),
        (H + "x = h.addVariable(lb=1)\nh.minimize(x + 2)", "optimal", "minimize", 3, (1, 0, 0, 0)),
        (H + "x = h.addVariable(lb=1)\nh.maximize(x)", "unbounded", "maximize", None, (1, 0, 0, 0)),
        (MODEL + "h.HandleKeyboardInterrupt = True\nh.maximize(x)", "optimal", "maximize", 3, (0, 1, 1, 1)),
    ],
)
def test_solves(full, model, status, sense, objective, counted):
    found = report(full, model)
    assert (found.library, found.solver, found.status, found.sense) == ("highspy", "HIGHS", status, sense)
    assert (values(found), counts(found)) == ((objective, objective), counted)


def test_repeated_slow_solves_end_before_the_program_is_stopped(full):
    code = f"""{H}{MARKET}
x = [h.addBinary() for _ in range(COLUMNS)]
s = [h.addVariable(lb=0) for _ in range(2 * ROWS)]
for i in range(ROWS):
    h.addConstr(sum(a * b for a, b in zip(A[i], x)) + s[i] - s[ROWS + i] == B[i])
h.setOptionValue("time_limit", 0.5)
h.minimize(sum(s))
print(h.getOptionValue("time_limit")[1])
h.setOptionValue("time_limit", float("inf"))
h.minimize(sum(s))
"""
    execution = full.run(code, limits=Limits(seconds=3))
    assert (execution.status, without_banner(execution.stdout)) == ("ok", "0.5\n")
    first, second = execution.reports
    assert (first.status, counts(first), second.status) == ("feasible", MARKET_COUNTS, "feasible")
    assert first.seconds < 0.9 < second.seconds
    assert second.gap > 0


def test_options_are_restored_and_the_programs_own_are_kept(full):
    code = MODEL + (
        "options = lambda: print(*(h.getOptionValue(name)[1] for name in ('threads', 'time_limit', 'parallel')))\n"
        "h.run(); options()\n"
        "h.setOptionValue('threads', 2); h.setOptionValue('time_limit', 77.0)\n"
        "print(h.run()); options()\n"
    )
    assert without_banner(full.run(code).stdout) == "0 inf choose\nHighsStatus.kOk\n2 77.0 choose\n"


def test_the_program_can_set_the_number_of_threads_after_a_solve(full):
    code = MODEL + "h.run()\ng = highspy.Highs()\ng.silent()\ng.setOptionValue('threads', 2)\n"
    code += "g.addVariable(lb=1)\nprint(g.run())\nprint(h.run(), h.getModelStatus())"
    assert without_banner(full.run(code).stdout) == "HighsStatus.kOk\nHighsStatus.kOk HighsModelStatus.kOptimal\n"


@pytest.mark.alone
def test_a_time_limit_without_a_solution_is_reported(full):
    code = f"{MODEL}h.setOptionValue('time_limit', 0.0)\nh.maximize(x)"
    assert report_and_output(full, code, SHORT)[0].status in ("limit", "optimal")
