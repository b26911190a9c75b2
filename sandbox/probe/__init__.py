"""The solver probe: what a program's solvers really said, told by the libraries and not by the program's prints.

    channel        where reports go, and when a solve should end
    watching       putting a watcher around a library's solve
    import_hook    libraries that the program imports itself
    reports        making a report out of what a library says
    cp_sat, linear_solver, model_builder, math_opt, routing    OR-Tools
    cvxpy, pulp, scipy, highspy, pyomo, pyscipopt, gurobipy, coptpy

`install` puts a wrapper around each library's solve: at once for those that are loaded, else when they are. In a
program the wrapper calls the original and then writes one report to a pipe. It also lends a solve what the program left
open: one thread, and a time limit a little short of the run's own, so that a slow solve ends with an answer instead
of a kill. What the program set itself stays; what was lent is taken back. All these solvers have a fixed seed unless
told otherwise, so none is lent.

What this guards against, and what not. A program that prints things that look like reports, or that writes to file
descriptors it did not open, changes nothing: reports carry a nonce, new for every run, that only the probe was given.
A program that searches the interpreter's memory for it, or that replaces a library's functions with its own, can forge
a report; both run in the same process and no pipe can tell them apart. Solves in processes that the program starts anew
(not forked) are not seen.
"""

from __future__ import annotations

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
    """Watch the libraries that are loaded, and each of the others once it is. Nothing is reported before the channel
    is opened."""
    channel = Channel()
    watchers = {library: partial(watch, channel=channel) for library, watch in _WATCHED.items()}
    for library, watch in watchers.items():
        if library in sys.modules:
            watch(sys.modules[library])
    sys.meta_path.insert(0, ImportHook(watchers))
    return channel
