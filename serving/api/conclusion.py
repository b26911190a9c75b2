"""The conclusion of an answer: the text that is still to send, why it ended, and the facts beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from storm_calm.env import Episode, read_answer
from storm_calm.env.serialize import to_json
from storm_calm.env.solver_backing import backed_by_report
from storm_calm.sandbox import Execution
from storm_calm.serving.api.agent_request import AgentRequest, too_long
from storm_calm.serving.api.agent_tasks import AgentOutcome
from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.notes import notes
from storm_calm.serving.api.reasoning_split import THOUGHT, ReasoningSplit

Finish = Literal["stop", "length"]
"""Why an answer ended, as chats say it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Conclusion:
    """What is added to an answer at its end."""

    rest: str
    """What the answer still lacks: all of it where the model never left its thoughts, and what to know about it."""
    finish: Finish
    """Why it ended."""
    facts: Mapping[str, Any]
    """The `storm` field of the answer."""


def conclude(outcome: AgentOutcome, split: ReasoningSplit, request: AgentRequest) -> Conclusion:
    """Return the conclusion of an answer. Raises ApiError if the server, not the model, failed.

    split: the text so far, already finished.
    """
    raise_for_failure(outcome)
    episode = outcome.episode
    remarks = notes(episode, request)
    words = "" if split.content.strip() else _instead(outcome)
    if not split.stopped:
        words += "".join(f"\n\nNote: {remark}" for remark in remarks)
    answer = read_answer(episode.transcript) if episode.stop == "answer" else None
    return Conclusion(
        rest=words,
        finish="length" if episode.stop == "length" or outcome.failure == "time" else "stop",
        facts={
            "answer": None if answer is None else {"value": answer.value, "status": answer.status},
            "stop": "time" if outcome.failure == "time" else "stop" if split.stopped else episode.stop,
            "backed": backed_by_report(episode),
            "notes": remarks,
            "executions": [execution_data(execution) for execution in episode.executions],
        },
    )


def raise_for_failure(outcome: AgentOutcome) -> None:
    """Raise ApiError if the server, not the model, failed."""
    if outcome.failure == "reasoner":
        raise ApiError(502, "the model behind this server failed; try again", code="upstream_error", retry_after=1)
    if outcome.failure == "context":
        raise too_long(f"has {outcome.episode.transcript.count()} tokens", outcome.context)
    if outcome.failure == "sandbox":
        raise ApiError(503, "no program can run here at the moment; try again", code="sandbox_error", retry_after=5)


def execution_data(execution: Execution) -> dict[str, Any]:
    """Return an execution as JSON data."""
    return {
        "code": execution.code,
        "status": execution.status,
        "stdout": execution.stdout,
        "stderr": execution.stderr,
        "wall_seconds": round(execution.wall_seconds, 4),
        "reports": [to_json(report) for report in execution.reports],
    }


def _instead(outcome: AgentOutcome) -> str:
    """The answer's words where the model gave none outside its thoughts."""
    episode = outcome.episode
    if outcome.failure == "time":
        return "No answer: the time for a request was over."
    if episode.stop == "length":
        return "No answer: the tokens for this request were used up before there was one."
    if episode.stop == "budget":
        return f"No answer: {_programs(episode)} ran, which is all that this request may, and none settled it."
    said = _last_words(episode)
    return said or "No answer: the model ended without one. It may lack data; say all the numbers, and ask again."


def _last_words(episode: Episode) -> str:
    """What the model wrote after its last program."""
    return episode.transcript.model_text.replace("<think>", "").replace(THOUGHT, "").strip()


def _programs(episode: Episode) -> str:
    count: int = len(episode.executions)
    return "1 program" if count == 1 else f"{count} programs"
