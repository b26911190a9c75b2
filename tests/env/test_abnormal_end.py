"""A program that did not end normally is described in one line."""

import pytest

from storm_calm.env.abnormal_end import abnormal_end
from storm_calm.env.output_blocks import observed
from storm_calm.sandbox import Execution

TRACEBACK = 'Traceback (most recent call last):\n  File "main.py", line 1, in <module>\nKeyError: 1\n'
HELP = "Help: Use `x`."


def execution(**fields):
    return Execution(**{"code": "", "status": "error", "isolation": "full", "backend": "local", **fields})


@pytest.mark.parametrize(
    ("number", "name"), [(6, " (SIGABRT)"), (9, " (SIGKILL)"), (11, " (SIGSEGV)"), (15, " (SIGTERM)"), (63, "")]
)
def test_a_signal_is_named_and_means_no_result(number, name):
    for stderr in ("", "WARNING: low on disk\n", TRACEBACK):
        line = f"The program was ended by signal {number}{name}, so it has no result."
        assert abnormal_end(execution(signal=number, stderr=stderr)) == line
        assert observed(execution(signal=number, stderr=stderr), last=False).splitlines()[-1] == line


def test_a_solver_that_is_not_there_is_named():
    stderr = "Check failed: entry->is_runtime_ready() Solver for problem type gurobi_lp is not ready.\n"
    assert "OR-Tools has no solver gurobi_lp here" in abnormal_end(execution(signal=6, stderr=stderr))


def test_the_exit_code_is_shown_unless_a_traceback_explains_it():
    assert abnormal_end(execution(exit_code=1, stderr=TRACEBACK)) == ""
    assert abnormal_end(execution(exit_code=1, stderr=TRACEBACK + HELP)) == ""
    assert abnormal_end(execution(exit_code=1, stderr='  File "main.py", line 1\nSyntaxError: x\n')) == ""
    assert abnormal_end(execution(exit_code=1, stderr="no plan\n")) == "Exit code 1"
    assert abnormal_end(execution(exit_code=3, stderr=TRACEBACK)) == "Exit code 3"
    assert abnormal_end(execution(exit_code=0, status="ok")) == ""


def test_limits_are_shown_with_their_numbers():
    assert "10 s" in abnormal_end(execution(status="timeout", wall_seconds=10.04))
    assert "512 MB" in abnormal_end(execution(status="memory_limit", peak_memory_mb=512.2))
    assert "64 KB" in abnormal_end(execution(status="output_limit", stdout="é" * 32768, truncated=True))


def test_help_survives_the_cut():
    shown = observed(execution(exit_code=1, stdout="a" * 5000, stderr=TRACEBACK + HELP), last=True).splitlines()
    assert shown[-2] == HELP
    assert shown[-3] == "KeyError: 1"


def test_a_printed_line_that_looks_like_help_is_output():
    run = execution(status="ok", exit_code=0, stdout="Help: me\n", stderr="Help: us\n")
    assert (run.help, run.own_stderr, observed(run, last=False)) == ("", "Help: us\n", "Help: me")


def test_paths_in_printed_tracebacks_are_neutral():
    shown = observed(execution(status="ok", stdout='File "/root/v/lib/python3.11/json/x.py", line 3'), last=False)
    assert shown == 'File "<python>/json/x.py", line 3'
