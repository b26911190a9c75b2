"""The solver probe: what a program's solvers really said, told by the libraries and not by the program's prints.

    channel        where reports go, and when a solve should end
    cp_sat         ortools.sat.python.cp_model
    linear_solver  ortools.linear_solver.pywraplp

`install` puts a wrapper around each library's solve, once, in the fork server. In a program the wrapper calls the
original and then writes one report to a pipe. It also lends a solve what the program left open: one thread, and a time
limit a little short of the run's own, so that a slow solve ends with an answer instead of a kill. What the
program set itself stays.

What this guards against, and what not. A program that prints things that look like reports, or that writes to file
descriptors it did not open, changes nothing: reports carry a word, new for every run, that only the probe was given.
A program that searches the interpreter's memory for that word, or that replaces a library's functions with its own, can
forge a report; both run in the same process and no pipe can tell them apart. Solves in processes that the program
starts anew (not forked) are not seen.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType

from sandbox.probe.channel import Channel

_WATCHED = {
    "ortools.sat.python.cp_model": "sandbox.probe.cp_sat",
    "ortools.linear_solver.pywraplp": "sandbox.probe.linear_solver",
}


def install() -> Channel:
    """Watch the libraries that are loaded. Nothing is reported before the channel is opened."""
    channel = Channel()
    for library, watcher in _WATCHED.items():
        module: ModuleType | None = sys.modules.get(library)
        if module is not None:
            importlib.import_module(watcher).watch(module, channel)
    return channel
