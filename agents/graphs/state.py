"""The state of a trajectory between two nodes: JSON data, stored after each node."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, RemoveMessage
from langgraph.graph.message import add_messages
from pydantic import ConfigDict
from typing_extensions import TypedDict  # With typing.TypedDict, Studio has no schema on Python 3.11.

from storm_calm.env import Episode, Problem
from storm_calm.env.serialize import from_json

Watcher = Literal["rules", "person"]
"""The intervener: that of the parts ("rules"), or a person (`agents.graphs.human_review`)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """The options of a client besides the question, read by CALM at the start."""

    __pydantic_config__ = ConfigDict(use_attribute_docstrings=True)  # Studio shows them next to the fields.

    intervener: Watcher = "rules"
    """Who intervenes: rules, or a person, who is asked after each segment and at the end."""

    def __post_init__(self) -> None:
        if self.intervener not in get_args(Watcher):
            raise ValueError(f"intervener is {self.intervener!r}; give one of {', '.join(get_args(Watcher))}")


class Question(TypedDict, total=False):
    """The input: a question in `messages`, or a `problem`."""

    messages: Annotated[list[AnyMessage], add_messages]
    """A chat; its last human message is the question. The trajectory is added to it for display in Studio."""
    problem: dict[str, Any] | None
    """`to_json(Problem)`, for a problem with more than a question. Takes precedence over `messages`."""
    seed: int
    """The seed of the sampling; 0 by default."""


class CalmQuestion(Question, total=False):
    """The input of CALM."""

    native: dict[str, Any] | None
    """`to_json(Episode)` without interventions, of the same problem and seed: its text is not generated again."""


class State(Question, total=False):
    """The state of both machines."""

    episode: dict[str, Any]
    """`to_json(Episode)`."""
    answer: dict[str, Any] | None
    """`to_json(Answer)` of a finished trajectory; None without an answer."""


class WatchedState(State, total=False):
    """The state of a trajectory that an intervener watches."""

    finding: dict[str, Any] | None
    """`to_json(Finding)` of the last flaw; None without one."""
    hint: str | None
    """The hint for the finding; None without an intervention."""
    rejected_hints: list[dict[str, Any]]
    """`to_json(RejectedHint)` of all rejected hints."""
    cost: dict[str, Any]
    """`to_json(Cost)` of all inspections."""


class StormState(WatchedState, total=False):
    """The state of STORM."""

    declined: str | None
    """Why the model does not work on the question; None if it does."""
    examination: dict[str, Any] | None
    """`to_json(Examination)` of the solve behind the answer; None if no solve was recorded."""


class CalmState(WatchedState, CalmQuestion, total=False):
    """The state of CALM."""

    intervener: Watcher
    """Part of the state, so that a resumed or forked trajectory keeps it without a context."""
    outcome: str | None
    """An `Outcome`, set by the judge."""


def problem_of(state: Question) -> Problem:
    """Return the problem, without accepted answers if it is from a message. Raises ValueError without a question."""
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
    """Return the episode as an update of the chat `before`, whose last human message is the question.

    Each span becomes an AI message, named after sandbox or intervener. Messages that an intervention cut are removed.
    """
    key = chat_key(episode, before)
    shown: dict[str, AnyMessage] = {}
    for number, span in enumerate(episode.transcript.spans):
        if span.source != "prompt" and span.text.strip():
            name = {"tool": "sandbox", "hint": "intervener"}.get(span.source)
            shown[f"{key}/{number}"] = AIMessage(id=f"{key}/{number}", content=span.text, name=name)
    cut = [m.id for m in before if m.id and m.id.startswith(f"{key}/") and m.id not in shown]
    return [*(RemoveMessage(id=id) for id in cut), *shown.values()]


def chat_key(episode: Episode, before: Sequence[AnyMessage]) -> str:
    """Return the beginning of the ids of the messages that show an episode."""
    question = last_human(before)
    return question.id if question and question.id else episode.problem.id


def last_human(messages: Sequence[AnyMessage]) -> HumanMessage | None:
    return next((message for message in reversed(messages) if isinstance(message, HumanMessage)), None)
