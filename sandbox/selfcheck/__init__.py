"""The self-check: hostile programs, the same for every sandbox, each with the conditions that must hold afterwards.

    from storm_calm.sandbox import open_sandbox
    from storm_calm.sandbox.selfcheck import Outside, self_check

    with Outside() as outside, open_sandbox() as sandbox:
        broken = [outcome for outcome in self_check(sandbox, outside=outside) if outcome.state == "broken"]

    case, texts                               what cases consist of
    limits, reach, powers, conduct, sessions  the cases
    outside                                   secrets, a folder and sockets on the caller's side
    runner                                    running the cases, with harmless programs beside them
    libraries                                 the libraries inside a sandbox

The programs are real attacks: run them only in a sandbox.
"""

from storm_calm.sandbox.selfcheck.case import Case, Step
from storm_calm.sandbox.selfcheck.libraries import all_libraries, libraries
from storm_calm.sandbox.selfcheck.outside import Outside
from storm_calm.sandbox.selfcheck.runner import CASES, CaseOutcome, self_check

__all__ = ["CASES", "Case", "CaseOutcome", "Outside", "Step", "all_libraries", "libraries", "self_check"]
