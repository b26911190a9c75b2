"""The nodes of both state machines: start, reason for one segment, execute the segment's action, answer.

A node takes the state and returns an update of it. The stream mode "custom" of a graph yields JSON events such as
`{"source": "model", "text": ...}`: generated text, tool output and hints with the source of their span, some with more
keys.
"""

from collections.abc import Iterator
from typing import Any

from langchain_core.messages import HumanMessage
from langgraph.config import get_stream_writer
from typing_extensions import Unpack

from storm_calm.agents.graphs.components import Supply
from storm_calm.agents.graphs.state import Question, State, chat, problem_of
from storm_calm.env import Chunk, Episode, Generation, SegmentRequest, collect, read_answer, write_segment
from storm_calm.env.serialize import from_json, to_json
from storm_calm.env.workspace import shown_question


def start(supply: Supply, state: Question) -> dict[str, Any]:
    """Start a trajectory. The question of a `problem` becomes a message."""
    problem = problem_of(state)
    episode = supply().env().reset(problem)
    started: dict[str, Any] = {"problem": None, "episode": to_json(episode), "answer": None}
    if state.get("problem") is not None:
        started["messages"] = [HumanMessage(id=problem.id, content=shown_question(problem))]
    return started


def reason(supply: Supply, state: State) -> dict[str, Any]:
    """Generate one segment: up to a program, the end of the turn, or the token limit."""
    parts = supply()
    env = parts.env(episode_of(state))

    def stream(**segment: Unpack[SegmentRequest]) -> Generation:
        return collect(_emit_text(parts.reasoner.stream(**segment)))

    generate = stream if parts.streaming else parts.reasoner.generate
    write_segment(env, generate, seed=state.get("seed", 0), sampling=parts.sampling or parts.reasoner.sampling)
    return update(env.episode, state)


def execute(supply: Supply, state: State) -> dict[str, Any]:
    """Execute the segment's action: run its program, accept its answer, continue, or stop."""
    env = supply().env(episode_of(state))
    result = env.act()
    if result.execution is not None:
        emit_event(source="tool", text=result.observation, execution=to_json(result.execution))
    elif result.stop == "infrastructure":
        emit_event(source="tool", text="", failure=result.observation)
    return update(env.episode, state)


def answer(state: State) -> dict[str, Any]:
    """Read the final answer of a finished trajectory."""
    episode = episode_of(state)
    read = read_answer(episode.transcript) if episode.stop == "answer" else None
    return {"answer": to_json(read) if read else None}


def is_over(state: State) -> bool:
    return state["episode"]["stop"] is not None


def episode_of(state: State) -> Episode:
    return from_json(Episode, state["episode"])


def update(episode: Episode, state: State) -> dict[str, Any]:
    """Return the update of the state for a changed episode."""
    return {"episode": to_json(episode), "messages": chat(episode, state.get("messages", []))}


def emit_event(**event: Any) -> None:
    """Emit an event in the stream mode "custom"."""
    get_stream_writer()(event)


def _emit_text(chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    for chunk in chunks:
        if chunk.text:
            emit_event(source="model", text=chunk.text)
        yield chunk
