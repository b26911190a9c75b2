"""The state of a run between two nodes: plain data, small enough to be saved after each of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage
from langgraph.graph.message import add_messages
from pydantic import ConfigDict
from typing_extensions import TypedDict  # typing's own gives Studio no schema on Python 3.11.

from storm_calm.env import Episode, Problem
from storm_calm.env.serialize import from_json

Watcher = Literal["rules", "person"]
"""Who watches: the intervener of the machine's parts, or a person (`agents.graphs.human_review`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """What a client says of a run besides its question. CALM reads it when the run begins."""

    __pydantic_config__ = ConfigDict(use_attribute_docstrings=True)  # Studio shows them beside the fields.

    intervener: Watcher = "rules"
    """Who watches: rules, or a person, for whom the run stops after each segment and at its end."""

    def __post_init__(self) -> None:
        if self.intervener not in get_args(Watcher):
            raise ValueError(f"intervener is {self.intervener!r}; give one of {', '.join(get_args(Watcher))}")


class Question(TypedDict, total=False):
    """What a run begins with: a question in `messages`, or a `problem`."""

    messages: Annotated[list[AnyMessage], add_messages]
    """A chat; its last human message is the question. The run is shown in it, so that Studio can."""
    problem: dict[str, Any] | None
    """`to_json(Problem)`, where there is more to it than a question. Taken before `messages`."""
    seed: int
    """For the same run again; 0 by default."""


class State(Question, total=False):
    """A run, in either machine."""

    episode: dict[str, Any]
    """`to_json(Episode)`: everything that happened so far."""
    answer: dict[str, Any] | None
    """`to_json(Answer)`, once the run is over; None where there is none."""


class CalmState(State, total=False):
    """A run that is watched."""

    intervener: Watcher
    """Who watches. Kept here, so that whoever resumes a run or forks it need not say it again."""
    finding: dict[str, Any] | None
    """`to_json(Finding)` of the flaw that was found last; None where nothing was."""
    hint: str | None
    """The hint that goes with the finding; None where it is not to be mended."""
    rejected_hints: list[dict[str, Any]]
    """`to_json(RejectedHint)` of every hint that was rejected."""
    cost: dict[str, Any]
    """`to_json(Cost)`: what inspecting took so far."""
    outcome: str | None
    """An `Outcome`, once the judge has spoken."""


def problem_of(state: Question) -> Problem:
    """The problem that a run is to begin with. Its answer is unknown where it comes as a message.

    Raises ValueError where there is no question.
    """
    data = state.get("problem")
    if data is not None:
        return from_json(Problem, data)
    message = last_human(state.get("messages", ()))
    question = message.text.strip() if message else ""
    if not question:
        raise ValueError('no question: give "messages" that end with a human one, or a "problem"')
    digest = hashlib.sha256(question.encode()).hexdigest()[:12]
    return Problem(id=f"question-{digest}", question=question, answers=())


def chat(episode: Episode, before: Sequence[AnyMessage]) -> list[AnyMessage | RemoveMessage]:
    """The episode as an update of the chat `before`, whose last human message asked for it.

    Each span is an AI message, those of the sandbox and of the intervener by name. What an intervention cut goes.
    """
    question = last_human(before)
    key = question.id if question else episode.problem.id
    shown: dict[str, AnyMessage] = {}
    for number, span in enumerate(episode.transcript.spans):
        if span.source != "prompt" and span.text.strip():
            name = {"tool": "sandbox", "hint": "intervener"}.get(span.source)
            shown[f"{key}/{number}"] = AIMessage(id=f"{key}/{number}", content=span.text, name=name)
    gone = [m.id for m in before if m.id and m.id.startswith(f"{key}/") and m.id not in shown]
    return [*(RemoveMessage(id=id) for id in gone), *shown.values()]


def last_human(messages: Sequence[AnyMessage]) -> HumanMessage | None:
    """The last message that a human wrote."""
    return next((message for message in reversed(messages) if isinstance(message, HumanMessage)), None)
