"""The nodes that both machines have: start, reason for one segment, execute what it asks for.

Each takes the state and gives an update of it; the episode in between is an `env.Episode`. Who streams a graph with
mode "custom" gets events as plain data: `{"source": "model", "text": ...}` for each piece of text as it is written,
with the source of its span, and more keys where there is more to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langchain_core.messages import HumanMessage
from langgraph.config import get_stream_writer
from typing_extensions import Unpack

from storm_calm.agents.graphs.components import Supply
from storm_calm.agents.graphs.state import Question, State, chat, problem_of
from storm_calm.env import Chunk, Episode, Generation, SegmentRequest, collect, read_answer, write_segment
from storm_calm.env.serialize import from_json, to_json


def start(supply: Supply, state: Question) -> dict[str, Any]:
    """Begin a run."""
    problem = problem_of(state)
    episode = supply().env().reset(problem)
    started: dict[str, Any] = {"problem": None, "episode": to_json(episode), "answer": None}
    if state.get("problem") is not None:
        started["messages"] = [HumanMessage(id=problem.id, content=problem.question)]
    return started


def reason(supply: Supply, state: State) -> dict[str, Any]:
    """Let the reasoner write one segment: up to a program, to the end of its turn, or to where no tokens are left."""
    parts = supply()
    env = parts.env(episode_of(state))

    def stream(**segment: Unpack[SegmentRequest]) -> Generation:
        return collect(_emit_text(parts.reasoner.stream(**segment)))

    generate = stream if parts.streaming else parts.reasoner.generate
    write_segment(env, generate, seed=state.get("seed", 0), sampling=parts.sampling or parts.reasoner.sampling)
    return update(env.episode, state)


def execute(supply: Supply, state: State) -> dict[str, Any]:
    """Do what the segment asks for: run its program, take its answer, let it go on, or stop."""
    env = supply().env(episode_of(state))
    result = env.act()
    if result.execution is not None:
        emit_event(source="tool", text=result.observation, execution=to_json(result.execution))
    elif result.stop == "infrastructure":
        emit_event(source="tool", text="", failure=result.observation)
    return update(env.episode, state)


def answer(state: State) -> dict[str, Any]:
    """Read the answer of a run that is over."""
    episode = episode_of(state)
    read = read_answer(episode.transcript) if episode.stop == "answer" else None
    return {"answer": to_json(read) if read else None}


def is_over(state: State) -> bool:
    """Whether the run has stopped."""
    return state["episode"]["stop"] is not None


def episode_of(state: State) -> Episode:
    """The episode in a state."""
    return from_json(Episode, state["episode"])


def update(episode: Episode, state: State) -> dict[str, Any]:
    """What changes in a state when its episode does."""
    return {"episode": to_json(episode), "messages": chat(episode, state.get("messages", []))}


def emit_event(**event: Any) -> None:
    """Hand an event on to whoever streams the graph."""
    get_stream_writer()(event)


def _emit_text(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    for chunk in chunks:
        if chunk.text:
            emit_event(source="model", text=chunk.text)
        yield chunk
