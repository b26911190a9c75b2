"""The conclusion of an answer: its remaining text, why it ended, and the facts beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from storm_calm.agents.reasoners.nano_scope import OUT_OF_SCOPE
from storm_calm.agents.verdict import verdict
from storm_calm.env import Episode, Intervention, Span, read_answer
from storm_calm.env.serialize import to_json
from storm_calm.sandbox import Execution
from storm_calm.serving.api.agent_request import AgentRequest, too_long
from storm_calm.serving.api.agent_tasks import AgentOutcome
from storm_calm.serving.api.answer_markdown import closing
from storm_calm.serving.api.api_errors import ApiError
from storm_calm.serving.api.judged_answer import JudgedAnswer, plan_facts
from storm_calm.serving.api.model_words import model_words
from storm_calm.serving.api.reasoning_split import THOUGHT, ReasoningSplit

Finish = Literal["stop", "length"]
"""OpenAI's finish reasons."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Conclusion:
    """The end of an answer."""

    rest: str
    """Text to append: the plan and the verdict, and the whole answer if the model wrote nothing outside of its
    thoughts. If the request asks for JSON, that."""
    refusal: str | None
    """Why the JSON is missing, if the request asks for it."""
    finish: Finish
    facts: Mapping[str, Any]
    """The `storm` field of the answer."""


def conclude(outcome: AgentOutcome, split: ReasoningSplit, request: AgentRequest, content: str) -> Conclusion:
    """Return the conclusion of an answer. Raises ApiError as `raise_for_failure` does.

    split: its finished text. content: the model's words in it, as Markdown.
    """
    raise_for_failure(outcome, request.param)
    episode = outcome.episode
    answered = outcome.judged or JudgedAnswer(verdict=verdict(episode))
    judged = answered.verdict
    remarks = [] if judged.backing == "no_answer" else judged.warnings
    words, refusal = "" if content else model_words(_instead(outcome)), None
    if request.reply_path:
        words, refusal = _reply(answered, request.reply_path, words)
    elif not split.stopped:
        words += closing(answered, pointer=_pointer(request))
    answer = read_answer(episode.transcript) if episode.stop == "answer" else None
    return Conclusion(
        rest=words,
        refusal=refusal,
        finish="length" if episode.stop in ("length", "context") or outcome.failure == "time" else "stop",
        facts={
            "answer": None if answer is None else {"value": answer.value, "status": answer.status},
            "stop": outcome.failure or ("stop" if split.stopped else episode.stop),
            "backed": judged.backing == "backed",
            "notes": remarks,
            "verdict": to_json(judged),
            **_facts(answered, request),
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


def _reply(answered: JudgedAnswer, path: str, words: str) -> tuple[str, str | None]:
    """Return the JSON that the request asks for, or else "" and why it is missing. words: those of the model."""
    outputs = answered.outputs or {"files": {}, "missing": []}
    if path in outputs["files"]:
        return str(outputs["files"][path]).strip(), None
    reason = "; ".join(outputs["missing"]) or "the answer ended before a program wrote it"
    return "", f"There is no JSON: {reason}. {words}".strip()


def _facts(answered: JudgedAnswer, request: AgentRequest) -> dict[str, Any]:
    facts = plan_facts(answered)
    if not request.return_files:
        facts.pop("files", None)
    return facts


def _pointer(request: AgentRequest) -> str:
    """Return what has all variables of a long plan."""
    if request.return_files or request.keep_files:
        return "the file `plan.csv` has all"
    return "ask for files to get all"


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
    text = "".join(span.text for span in _last_spans(episode) if span.source == "model")
    return (
        text.replace("<think>", "").replace(THOUGHT, "").strip()
        or "No answer: the model ended without one. It may lack data; say all the numbers, and ask again."
    )


def _last_spans(episode: Episode) -> list[Span]:
    """Return the spans after the last program."""
    spans = episode.transcript.spans
    last = max((number for number, span in enumerate(spans) if span.source == "tool"), default=-1)
    return list(spans[last + 1 :])
