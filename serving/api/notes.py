"""Notes for the user on the reliability of an answer, from evidence that does not depend on model claims.

notes(episode, request)   # ["The last solve was infeasible, and the answer is a number all the same."]
"""

from math import isclose

from storm_calm.agents.triggers.evidence import gather, numbers_in
from storm_calm.env import Episode, read_answer
from storm_calm.env.solver_backing import backed_by_report
from storm_calm.serving.api.agent_request import AgentRequest

_ORDINARY = 10.0
"""Whole numbers up to this one, and powers of ten, are common in any program."""


def notes(episode: Episode, request: AgentRequest) -> list[str]:
    """Return sentences for the user. Numbers are not checked if the request has files."""
    answer = read_answer(episode.transcript) if episode.stop == "answer" else None
    if answer is None:
        return []
    found: list[str] = []
    reports = [report for execution in episode.executions for report in execution.reports]
    last = reports[-1].status if reports else None
    if answer.status == "number" and last in ("infeasible", "unbounded"):
        found.append(f"The last solve was {last}, and the answer is a number all the same.")
    elif not backed_by_report(episode):
        found.append("No solver report supports this answer.")
    invented = [] if request.files else _invented(episode, request)
    if invented:
        found.append(
            f"The program uses numbers that you did not give ({', '.join(invented)}). If data is missing, "
            "add it and ask again."
        )
    return found


def _invented(episode: Episode, request: AgentRequest) -> list[str]:
    """Return at most five uncommon numbers of the last program that are not in the conversation."""
    evidence = gather(episode)
    ran = [turn.code for turn in evidence.turns if turn.execution is not None and turn.code is not None]
    if not ran:
        return []
    given_by_message = [{value for value, _ in numbers_in(message["content"])} for message in request.messages]
    given = {value for values in given_by_message for value in values}
    # "With 50 more hours", "with 20 % less": earlier numbers with the change applied.
    changes, earlier = given_by_message[-1], {value for values in given_by_message[:-1] for value in values}
    changed = {old + sign * by for old in earlier for by in changes for sign in (1, -1)}
    changed |= {old * (1 + sign * by / 100) for old in earlier for by in changes for sign in (1, -1)}
    given |= {value / 100 for value in given} | {value * 100 for value in given} | changed
    numbers = [value for value in sorted(ran[-1].numbers) if not _is_ordinary(value)]
    return [f"{value:g}" for value in numbers if not any(isclose(value, known) for known in given)][:5]


def _is_ordinary(value: float) -> bool:
    """Return whether a program may use the number for itself: an index, a tolerance, a large constant."""
    if value == 0 or (value <= _ORDINARY and value.is_integer()) or value < 1e-3:
        return True
    digits = f"{value:.6e}".partition("e")[0].rstrip("0").rstrip(".")
    return digits == "1"
