"""From the end of a run to what an API says of it: the answer's words, why it ended, and the facts beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from storm_calm.env import Episode, read_answer
from storm_calm.env.serialize import to_json
from storm_calm.env.solver_backing import backed_by_report
from storm_calm.sandbox import Execution
from storm_calm.serving.api.agent_request import Ask, too_long
from storm_calm.serving.api.agent_runs import End
from storm_calm.serving.api.errors import ApiError
from storm_calm.serving.api.notes import notes
from storm_calm.serving.api.reasoning_split import THOUGHT, Channels

Finish = Literal["stop", "length"]
"""Why an answer ended, as chats say it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Conclusion:
    """What is added to a chat when its run is over."""

    rest: str
    """What the answer still lacks: all of it where the model never left its thoughts, and what to know about it."""
    finish: Finish
    """Why it ended."""
    facts: Mapping[str, Any]
    """The `storm` field of the answer."""


def conclude(end: End, channels: Channels, ask: Ask) -> Conclusion:
    """The conclusion of a run. Raises ApiError where what is around the model failed.

    channels: the run's text so far, already finished.
    """
    check(end)
    episode = end.episode
    remarks = notes(episode, ask)
    words = "" if channels.content.strip() else _instead(end)
    if not channels.stopped:
        words += "".join(f"\n\nNote: {remark}" for remark in remarks)
    answer = read_answer(episode.transcript) if episode.stop == "answer" else None
    return Conclusion(
        rest=words,
        finish="length" if episode.stop == "length" or end.failure == "time" else "stop",
        facts={
            "answer": None if answer is None else {"value": answer.value, "status": answer.status},
            "stop": "time" if end.failure == "time" else "stop" if channels.stopped else episode.stop,
            "backed": backed_by_report(episode),
            "notes": remarks,
            "executions": [executed(execution) for execution in episode.executions],
        },
    )


def check(end: End) -> None:
    """Raise ApiError where what is around the model failed."""
    if end.failure == "reasoner":
        raise ApiError(502, "the model behind this server failed; try again", code="upstream_error", retry_after=1)
    if end.failure == "context":
        raise too_long(f"has {end.episode.transcript.count()} tokens", end.context)
    if end.failure == "sandbox":
        raise ApiError(503, "no program can run here at the moment; try again", code="sandbox_error", retry_after=5)


def executed(execution: Execution) -> dict[str, Any]:
    """A run of a program, as the API tells it."""
    return {
        "code": execution.code,
        "status": execution.status,
        "stdout": execution.stdout,
        "stderr": execution.stderr,
        "wall_seconds": round(execution.wall_seconds, 4),
        "reports": [to_json(report) for report in execution.reports],
    }


def _instead(end: End) -> str:
    """The answer's words where the model gave none outside its thoughts."""
    episode = end.episode
    if end.failure == "time":
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
