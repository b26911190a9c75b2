"""The conclusion of an answer: its remaining text, why it ended, and the facts beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from storm_calm.agents.reasoners.nano_scope import OUT_OF_SCOPE
from storm_calm.agents.verdict import verdict
from storm_calm.env import Intervention, read_answer
from storm_calm.env.serialize import to_json
from storm_calm.sandbox import Execution
from storm_calm.serving.api.agent_request import AgentRequest, too_long
from storm_calm.serving.api.agent_tasks import AgentOutcome
from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.judged_answer import JudgedAnswer, plan_facts
from storm_calm.serving.api.reasoning_split import THOUGHT, ReasoningSplit

Finish = Literal["stop", "length"]
"""OpenAI's finish reasons."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Conclusion:
    """The end of an answer."""

    rest: str
    """Text to append: notes, and the whole answer if the model wrote nothing outside of its thoughts."""
    finish: Finish
    facts: Mapping[str, Any]
    """The `storm` field of the answer."""


def conclude(outcome: AgentOutcome, split: ReasoningSplit, request: AgentRequest) -> Conclusion:
    """Return the conclusion of an answer. split: its finished text. Raises ApiError as `raise_for_failure` does."""
    raise_for_failure(outcome, request.param)
    episode = outcome.episode
    answered = outcome.judged or JudgedAnswer(verdict=verdict(episode))
    judged = answered.verdict
    remarks = [] if judged.backing == "no_answer" else judged.warnings
    words = "" if split.content.strip() else _instead(outcome)
    if not split.stopped:
        words += "".join(f"\n\nNote: {remark}" for remark in remarks)
    answer = read_answer(episode.transcript) if episode.stop == "answer" else None
    return Conclusion(
        rest=words,
        finish="length" if episode.stop in ("length", "context") or outcome.failure == "time" else "stop",
        facts={
            "answer": None if answer is None else {"value": answer.value, "status": answer.status},
            "stop": outcome.failure or ("stop" if split.stopped else episode.stop),
            "backed": judged.backing == "backed",
            "notes": remarks,
            "verdict": to_json(judged),
            **plan_facts(answered),
            "interventions": [intervention_data(intervention) for intervention in episode.interventions],
            "executions": [execution_data(execution) for execution in episode.executions],
        },
    )


def raise_for_failure(outcome: AgentOutcome, param: str) -> None:
    """Raise ApiError if the server, not the model, failed. param: the field of the body that has the messages."""
    if outcome.failure == "reasoner":
        raise ApiError(502, "the model behind this server failed; retry", code="upstream_error", retry_after=1)
    if outcome.failure == "context":
        raise too_long(f"has {outcome.episode.transcript.count()} tokens", outcome.context, param)
    if outcome.failure == "sandbox":
        raise ApiError(503, "no program can run at the moment; retry", code="sandbox_error", retry_after=5)


def execution_data(execution: Execution) -> dict[str, Any]:
    return {
        "code": execution.code,
        "status": execution.status,
        "stdout": execution.stdout,
        "stderr": execution.stderr,
        "wall_seconds": round(execution.wall_seconds, 4),
        "reports": [to_json(report) for report in execution.reports],
    }


def intervention_data(intervention: Intervention) -> dict[str, Any]:
    finding = intervention.finding
    return {"trigger": finding.trigger, "evidence": finding.evidence, "hint": intervention.hint}


def _instead(outcome: AgentOutcome) -> str:
    """Return the answer for a model that wrote nothing outside of its thoughts."""
    episode = outcome.episode
    if outcome.failure == "scope":
        return OUT_OF_SCOPE
    if outcome.failure == "time":
        return "No answer: the time for a request was over."
    if episode.stop in ("length", "context"):
        return "No answer: the tokens for this request were used up before there was one."
    if episode.stop == "repetition":
        return (
            "No answer: the model repeated itself without end, and was stopped. Ask again, or state the question anew."
        )
    if episode.stop == "budget":
        count = sum(execution.ran for execution in episode.executions)
        programs = "1 program" if count == 1 else f"{count} programs"
        return f"No answer: {programs} ran, which is all that this request may, and none settled it."
    text = episode.transcript.model_text.replace("<think>", "").replace(THOUGHT, "").strip()
    return text or "No answer: the model ended without one. It may lack data; say all the numbers, and ask again."
