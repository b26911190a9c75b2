"""The verdict on a finished episode: what the evidence shows about its answer.

    found = verdict(episode)
    found.backing, found.summary, found.warnings, found.check

`storm solve`, the server, the viewer, evaluation and training use the same verdict.
"""

from storm_calm.agents.verdict.plan_check import (
    ExaminedSolve,
    RecordedAnswer,
    answering_solve,
    check_answer,
    examine_answer,
    examined_answer,
    recorded_answer,
)
from storm_calm.agents.verdict.solver_backing import Backing, backed_by_report, solver_backing
from storm_calm.agents.verdict.verdict import Verdict, verdict

__all__ = [
    "Backing",
    "ExaminedSolve",
    "RecordedAnswer",
    "Verdict",
    "answering_solve",
    "backed_by_report",
    "check_answer",
    "examine_answer",
    "examined_answer",
    "recorded_answer",
    "solver_backing",
    "verdict",
]
