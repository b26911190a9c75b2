"""Trigger 7, failures that the model does not repair: invented calls, and giving up."""

import re
from collections.abc import Iterator

from storm_calm.agents.triggers.evidence import Evidence, Turn, sentence_start
from storm_calm.agents.triggers.names import finding
from storm_calm.env.intervention import Finding
from storm_calm.sandbox import Execution

INVENTED = re.compile(
    r"^(?:AttributeError: .*has no attribute|ImportError: cannot import name|ModuleNotFoundError: "
    r"|TypeError: .*(?:unexpected keyword argument|required positional argument|positional arguments? but|not callable"
    r"|takes no arguments|multiple values for argument))"
    r"|Wrong number or type of arguments",
    re.MULTILINE,
)
"""Errors of a call or a module that does not exist in this form."""

IN_LIBRARY = re.compile(r'^  File "[^"\n]{0,300}/(?:scipy|ortools|pulp|cvxpy|pyomo|highspy|pyscipopt)/', re.MULTILINE)
"""A line of a traceback inside of a solver library: it was called with wrong arguments."""

MISSING_NAME = re.compile(r"has no attribute '(\w+)'|cannot import name '(\w+)'|unexpected keyword argument '(\w+)'")

GIVING_UP = re.compile(
    r"\bpip3? install\b"
    r"|\b(?:can ?not|can't|unable to|not able to|couldn't) (?:be )?(?:run|execute|use|access|import|install)\w*\b"
    r"[^.\n]{0,60}\b(?:code|program|script|library|module|package|solver|environment|here)\b"
    r"|\b(?:please|you (?:can|should|need to|may)) (?:install|make sure|ensure|run|try)\b"
    r"|\b(?:library|module|package|solver) (?:is|was) not (?:installed|available)\b",
    re.IGNORECASE,
)
"""Words that leave the repair of the program to another person."""

MAX_ERROR_CHARS = 2000
"""Characters at the end of standard error that are searched."""
MAX_CHARS = 20_000
"""Characters of a turn that are searched."""


def invented_call(evidence: Evidence) -> Iterator[Finding]:
    """Find the first program with a call that does not exist, if a later program fails too or repeats the call.

    A single failed program is no flaw: the model may repair it. An answer after it is one, see `unmended_error`.
    """
    failed: list[Turn] = []
    for turn in evidence.turns:
        run = turn.execution
        if run is not None and run.status == "ok":
            failed = []
        elif (run is not None and (failed or _invented(run))) or (
            failed and turn.code is not None and _missing_name(failed[0]) in turn.code.words
        ):
            failed.append(turn)
    if len(failed) > 1 and failed[0].block is not None and failed[0].execution is not None:
        line = failed[0].execution.error_line
        yield finding("invented_call", failed[0], failed[0].block - failed[0].start, f"{line[:100]}, and not repaired")


def gave_up(evidence: Evidence) -> Iterator[Finding]:
    """Find trajectories that leave a failed program to another person, or end after it without an answer."""
    last = evidence.last_execution
    if last is None or last.status == "ok" or evidence.runs:
        return
    turn = evidence.turns[-1]
    found = GIVING_UP.search(turn.text[:MAX_CHARS])
    if found and turn.source is None:
        yield finding("gave_up", turn, sentence_start(turn.text, found.start()), found[0][:80])
    elif evidence.stop and evidence.answer is None and turn.source is None:
        yield finding("gave_up", turn, 0, f"no answer after {(last.error_line or last.status)[:80]}")


def _invented(run: Execution) -> bool:
    error = run.own_stderr[-MAX_ERROR_CHARS:]
    return run.status == "error" and bool(INVENTED.search(error) or IN_LIBRARY.search(error))


def _missing_name(turn: Turn) -> str:
    """Return the name that does not exist, as the error names it; "" if it names none."""
    text = turn.execution.own_stderr[-MAX_ERROR_CHARS:] if turn.execution else ""
    found = MISSING_NAME.search(text)
    return next(filter(None, found.groups())) if found else ""
