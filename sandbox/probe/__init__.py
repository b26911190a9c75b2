"""The solver probe: reports on the solves of a program, taken from the solver libraries rather than from its output.

    channel        the pipe for reports, and the time limit for a solve
    watching       wrapping a library's solve function
    import_hook    wrapping libraries that the program imports itself
    reports        building a report
    solve_record   recording a solve: model, solution, names
    record_file    the file through which records leave the program
    program_names  names of variables that the program gave none
    cp_sat, linear_solver, model_builder, math_opt, routing    OR-Tools
    cvxpy, pulp, scipy, highspy, pyomo, pyscipopt, gurobipy, coptpy

`install` wraps the solve functions of each library, immediately or when the program imports it. The wrapper calls the
original and then writes one report to a pipe. If the program set neither threads nor a time limit, the wrapper sets one
thread and a limit slightly shorter than the time left, so that a slow solve returns an answer before the run is killed.
Settings of the program are kept, and those of the wrapper are removed after the solve. All these solvers have a fixed
seed by default, so the wrapper sets none.

If the run asks for it, the wrapper also records the solve: the library's module turns its model and solution into a
`SolveRecord`, which is written to a file that the caller made. Settings and models of the program are not changed.

Reports carry a nonce, new for each run, that only the probe receives. So a program cannot forge one by printing or by
writing to file descriptors that it did not open. It can by searching the interpreter's memory for the nonce or by
replacing a library's functions: program and probe share a process. Solves in processes that the program spawns (rather
than forks) are not seen.
"""

import sys
from functools import partial

from storm_calm.sandbox.probe import (
    coptpy,
    cp_sat,
    cvxpy,
    gurobipy,
    highspy,
    linear_solver,
    math_opt,
    model_builder,
    pulp,
    pyomo,
    pyscipopt,
    routing,
    scipy,
)
from storm_calm.sandbox.probe.channel import Channel
from storm_calm.sandbox.probe.import_hook import ImportHook

_WATCHED = {
    "ortools.sat.python.cp_model": cp_sat.watch,
    "ortools.linear_solver.pywraplp": linear_solver.watch,
    "ortools.linear_solver.python.model_builder": model_builder.watch,
    "ortools.math_opt.python.mathopt": math_opt.watch,
    "ortools.constraint_solver.pywrapcp": routing.watch,
    "cvxpy": cvxpy.watch,
    "pulp": pulp.watch,
    "scipy.optimize": scipy.watch,
    "highspy": highspy.watch,
    "pyomo.environ": pyomo.watch,
    "pyscipopt": pyscipopt.watch,
    "gurobipy": gurobipy.watch,
    "coptpy": coptpy.watch,
}


def install() -> Channel:
    """Watch each library now or when it is imported, and return the channel; reports are sent once that is open."""
    channel = Channel()
    watchers = {library: partial(watch, channel=channel) for library, watch in _WATCHED.items()}
    for library, watch in watchers.items():
        if library in sys.modules:
            watch(sys.modules[library])
    sys.meta_path.insert(0, ImportHook(watchers))
    return channel
