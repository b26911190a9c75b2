"""Check answers against solver reports: a correct answer without one may be luck, memory or a leak."""

from storm_calm.env.answers import read_answer
from storm_calm.env.episode import Episode

_CLOSE = 1e-6  # Relative; solvers have tolerances of about this size.
_PRINTED = 5e-3  # Absolute; answers are often printed objectives, rounded to two decimals.


def backed_by_report(episode: Episode) -> bool:
    """Return whether the final answer is the objective, up to rounding, or the status of a reported solve.

    Only solver reports count. They are claims of the program's process: printing cannot forge them, but a malicious
    program can, so rewards must not depend on them (docs/security.md).
    """
    answer = read_answer(episode.transcript) if episode.stop == "answer" else None
    if answer is None:
        return False
    reports = [report for execution in episode.executions for report in execution.reports]
    if answer.value is None:
        return any(report.status == answer.status for report in reports)
    value = answer.value
    return any(
        report.objective is not None and abs(report.objective - value) <= max(_CLOSE * abs(value), _PRINTED)
        for report in reports
    )
