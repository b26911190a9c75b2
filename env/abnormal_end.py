"""One line for the model about a program that did not end normally: by a limit, a signal or an exit code."""

import re
import signal

from storm_calm.sandbox import Execution

_ERROR_OF_PYTHON = re.compile(r'^(?:Traceback|  File ")', re.M)
_NO_SOLVER = re.compile(r"Solver for problem type (\w{1,40}) is not ready")


def abnormal_end(execution: Execution) -> str:
    """Return one line about an abnormal end; "" if there was none, or python's own error shows it."""
    match execution.status:
        case "timeout":
            seconds = f"{execution.wall_seconds:.{0 if execution.wall_seconds >= 1 else 1}f}"
            return f"TimeoutError: stopped after {seconds} s"
        case "memory_limit":
            return f"MemoryError: stopped with {execution.peak_memory_mb:.0f} MB in use"
        case "output_limit":
            return f"OutputError: stopped for printing too much, after {_printed_kb(execution)} KB"
        case "killed":
            return f"Killed: {execution.reason}"
        case "error" if execution.signal:
            return f"{_signal(execution.signal)}{_cause(execution.stderr)}"
        case "error" if execution.exit_code is not None:
            shown = execution.exit_code == 1 and _ERROR_OF_PYTHON.search(execution.stderr)
            return "" if shown else f"Exit code {execution.exit_code}"
    return ""


def _printed_kb(execution: Execution) -> int:
    texts = (execution.stdout, execution.stderr)
    return max(1, round(max(len(text.encode(errors="replace")) for text in texts) / 1024))


def _signal(number: int) -> str:
    name = f" ({signal.Signals(number).name})" if number in set(signal.Signals) else ""
    return f"The program was ended by signal {number}{name}, so it has no result."


def _cause(stderr: str) -> str:
    """Return what OR-Tools means when it aborts a program that asks for a solver it does not contain."""
    found = _NO_SOLVER.search(stderr)
    return f' OR-Tools has no solver {found[1]} here. Use pywraplp.Solver.CreateSolver("SCIP").' if found else ""
