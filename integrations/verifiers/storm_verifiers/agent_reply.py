"""A rollout of an agent behind an endpoint: one question, one reply.

`storm serve` adds the answer that it read, its programs and their evidence to the reply, in the field `storm`. Of any
other agent the `\\boxed{}` in the reply is the answer. Files and wanted outputs are extensions of `storm serve`.
"""

from typing import Any, Literal, get_args

import openai
from pydantic import BaseModel, FiniteFloat, ValidationError

from storm_calm.env import Problem
from storm_calm.env.episode import StopReason
from storm_calm.env.workspace import full_question, workspace_files
from storm_verifiers.rollout_record import RolloutRecord, boxed_episode, replied

STOPS: dict[str, StopReason] = {"time": "length", "scope": "malformed", "stop": "malformed"}
"""Ends that only a server has, and the episode's ends that they count as."""


class AgentAnswer(BaseModel):
    """The answer that the agent read in its model's text."""

    value: FiniteFloat | None
    status: Literal["number", "infeasible", "unbounded"]


class AgentExecution(BaseModel):
    """A program that the agent ran."""

    status: str
    reports: tuple[dict[str, Any], ...] = ()


class AgentOutputs(BaseModel):
    """The wanted outputs of the agent's programs."""

    files: dict[str, str] = {}
    """The text of each that fits its schema, by path."""


class AgentFacts(BaseModel):
    """The field `storm` of a reply, as far as it is used."""

    answer: AgentAnswer | None
    stop: str
    backed: bool
    executions: tuple[AgentExecution, ...]
    outputs: AgentOutputs = AgentOutputs()


async def ask_agent(
    client: openai.AsyncOpenAI, model: str, problem: Problem, *, system: str | None = None
) -> RolloutRecord:
    """Ask the agent and return the record of its reply. The outputs in it are not checked.

    Raises ValueError for files that are no text, and for a `storm` field that is not as `storm serve` writes it.
    """
    options = _options(problem)
    messages = [{"role": "system", "content": system}] if system else []
    # The server describes files and outputs in its prompt by itself.
    messages.append({"role": "user", "content": problem.question if options else full_question(problem)})
    completion = await client.chat.completions.create(
        model=model,
        messages=messages,  # type: ignore[arg-type]
        extra_body={"storm": options} if options else None,
    )
    choice = completion.choices[0]
    storm = (completion.model_extra or {}).get("storm")
    if storm is None:
        text = choice.message.content or ""
        return RolloutRecord(episode=replied(problem, text, whole=choice.finish_reason != "length"))
    try:
        facts = AgentFacts.model_validate(storm)
    except ValidationError as error:
        raise ValueError(f"{model}: the reply's field storm is not as `storm serve` writes it: {error}") from None
    ran = [execution for execution in facts.executions if execution.status != "malformed_call"]
    return RolloutRecord(
        episode=boxed_episode(problem, _boxed(facts), stop=_stop(facts), files=facts.outputs.files),
        executions=len(ran),
        solver_reports=sum(len(execution.reports) for execution in ran),
        backed=facts.backed,
    )


def _options(problem: Problem) -> dict[str, Any]:
    """Return the request's field `storm`; empty for a problem without files and outputs."""
    try:
        files = {path: content.decode() for path, content in workspace_files(problem).items()}
    except UnicodeDecodeError:
        raise ValueError(f"{problem.id}: an agent gets text files only; use form = policy") from None
    outputs = [{"path": output.path, "schema": output.schema} for output in problem.outputs]
    return {name: value for name, value in (("files", files), ("outputs", outputs)) if value}


def _boxed(facts: AgentFacts) -> float | str | None:
    """Return the answer as a model would box it; None without one."""
    if facts.answer is None:
        return None
    return facts.answer.status if facts.answer.value is None else facts.answer.value


def _stop(facts: AgentFacts) -> StopReason:
    """Return why the agent ended. Raises ValueError for an unknown reason."""
    stop = STOPS.get(facts.stop, facts.stop)
    if stop not in get_args(StopReason):
        raise ValueError(f"the agent ended with {facts.stop!r}, which is not a reason that `storm serve` has")
    return stop  # type: ignore[return-value]
