"""One self-check for every sandbox: programs that mean harm, and what must come of each.

    from storm_calm.sandbox import open_sandbox
    from storm_calm.sandbox.selfcheck import Outside, self_check

    with Outside() as outside, open_sandbox() as sandbox:
        broken = [outcome for outcome in self_check(sandbox, outside=outside) if outcome.state == "broken"]

    case       what a case is, and how it says what must hold
    outside    the caller's side: secrets, a folder, sockets
    limits     time, memory, output, files
    reach      processes, secrets
    powers     network, powers
    conduct    leaks, endings, abilities
    sessions   sessions
    runner     running the cases, with canaries beside them
    libraries  which libraries are inside

It runs real abuse: start it in a sandbox only.
"""

from storm_calm.sandbox.selfcheck.case import Case, Step
from storm_calm.sandbox.selfcheck.libraries import all_libraries, libraries
from storm_calm.sandbox.selfcheck.outside import Outside
from storm_calm.sandbox.selfcheck.runner import CASES, CaseOutcome, self_check

__all__ = ["CASES", "Case", "CaseOutcome", "Outside", "Step", "all_libraries", "libraries", "self_check"]
