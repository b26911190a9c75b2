"""One self-check for every sandbox: programs that mean harm, and what must come of each.

    from sandbox import open_sandbox
    from sandbox.selfcheck import Outside, self_check

    with Outside() as outside, open_sandbox() as sandbox:
        broken = [outcome for outcome in self_check(sandbox, outside=outside) if outcome.state == "broken"]

    case       what a case is, and how it says what must hold
    outside    the caller's side: secrets, a folder, sockets
    limits     time, memory, output, files
    reach      processes, secrets, network, powers
    conduct    leaks, endings, abilities
    sessions   sessions
    runner     running the cases, with canaries beside them
    libraries  which libraries are inside

It runs real abuse: start it in a sandbox only.
"""

from sandbox.selfcheck.case import Case, Step
from sandbox.selfcheck.libraries import all_libraries, libraries
from sandbox.selfcheck.outside import Outside
from sandbox.selfcheck.runner import CASES, Outcome, self_check

__all__ = ["CASES", "Case", "Outcome", "Outside", "Step", "all_libraries", "libraries", "self_check"]
