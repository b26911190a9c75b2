"""What a user should know about an answer before relying on it, from evidence that the model can't talk away.

notes(episode, files=False)   # ["No solver report stands behind this answer."]
"""

from __future__ import annotations

from agents.triggers.evidence import gather
from env import Episode, read_answer
from env.backing import backed_by_report

_ORDINARY = 10.0
"""Whole numbers up to here, and powers of ten, stand in programs for many reasons."""


def notes(episode: Episode, *, files: bool) -> list[str]:
    """Sentences for the user; none where nothing is amiss.

    files: whether data came in files, so that numbers need not stand in the question.
    """
    answer = read_answer(episode.transcript) if episode.stop == "answer" else None
    if answer is None:
        return []
    found: list[str] = []
    reports = [report for execution in episode.executions for report in execution.reports]
    last = reports[-1].status if reports else None
    if answer.status == "number" and last in ("infeasible", "unbounded"):
        found.append(f"The last solve was {last}, and the answer is a number all the same.")
    elif not backed_by_report(episode):
        found.append("No solver report stands behind this answer.")
    invented = [] if files else _invented(episode)
    if invented:
        found.append(
            f"The program uses numbers that the question does not give ({', '.join(invented)}). If data is missing, "
            "add it and ask again."
        )
    return found


def _invented(episode: Episode) -> list[str]:
    """Numbers of the last program that are nowhere in the question, as far as they are no ordinary ones."""
    evidence = gather(episode)
    ran = [turn.code for turn in evidence.turns if turn.execution is not None and turn.code is not None]
    if not ran:
        return []
    given = set(evidence.numbers)
    given |= {value / 100 for value in given} | {value * 100 for value in given}
    return [f"{value:g}" for value in sorted(ran[-1].numbers) if value not in given and not _is_ordinary(value)][:5]


def _is_ordinary(value: float) -> bool:
    """Whether a number may well be of the program's own making: an index, a tolerance, a large constant."""
    if value == 0 or (value <= _ORDINARY and value.is_integer()) or value < 1e-3:
        return True
    digits = f"{value:.6e}".partition("e")[0].rstrip("0").rstrip(".")
    return digits == "1"
