"""CALM, the machine that curates: reason -> detect -> (intervene -> reason) | (execute -> reason) | judge.

    graph = build(lambda: Parts(reasoner=reasoner, sandbox=sandbox))
    graph.invoke({"problem": problem.to_dict(), "seed": 7})["outcome"]

Detect looks at each segment before its program runs; the judge looks at the whole run once it has stopped, and either
sends it back to where its first flaw is or says what became of it. The intervener never sees the accepted answer. After
arXiv 2510.04204.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, Literal

from langgraph.graph import START, StateGraph
from langgraph.graph.state import CompiledStateGraph

from agents.graphs import steps
from agents.graphs.golden import outcome
from agents.graphs.parts import Parts, Supply, default_parts
from agents.graphs.state import CalmState, Question
from env import Episode, Finding


def build(supply: Supply = default_parts, *, checkpointer: Any = None) -> CompiledStateGraph:
    """The machine. supply: gives its parts. checkpointer: keeps the state, for runs that go on after a kill."""
    graph = StateGraph(CalmState, input_schema=Question)
    graph.add_node("pose", partial(steps.pose, supply))
    graph.add_node("reason", partial(steps.reason, supply))
    graph.add_node("detect", partial(detect, supply))
    graph.add_node("intervene", partial(intervene, supply))
    graph.add_node("execute", partial(steps.execute, supply))
    graph.add_node("judge", partial(judge, supply))
    graph.add_edge(START, "pose")
    graph.add_conditional_edges("pose", go_on)
    graph.add_edge("reason", "detect")
    graph.add_conditional_edges("detect", after_detect)
    graph.add_conditional_edges("intervene", go_on)
    graph.add_conditional_edges("execute", go_on)
    graph.add_conditional_edges("judge", after_judge)
    return graph.compile(checkpointer=checkpointer, name="calm")


def detect(supply: Supply, state: CalmState) -> dict[str, Any]:
    """Look for a flaw in what was written, as long as there are interventions left to mend it with."""
    parts, episode = supply(), steps.episode_of(state)
    finding = inspected(parts, episode) if may_intervene(parts, episode) else None
    return {"finding": finding.to_dict() if finding else None}


def intervene(supply: Supply, state: CalmState) -> dict[str, Any]:
    """Cut the run where the flaw begins, and put a hint there."""
    parts = supply()
    env = parts.env(steps.episode_of(state))
    assert state["finding"] is not None, "detect and judge come here with a finding only"
    finding = Finding.from_dict(state["finding"])
    intervention = env.intervene(finding, parts.intervener.hint(finding))
    tail = env.episode.transcript.spans[-1]
    steps.tell(source="hint", text=tail.text, cut=intervention.cut, trigger=finding.trigger)
    return {**steps.update(env.episode, state), "finding": None}


def judge(supply: Supply, state: CalmState) -> dict[str, Any]:
    """Look at the whole run: send it back to its first flaw, or say what became of it."""
    parts, episode = supply(), steps.episode_of(state)
    failed = episode.stop == "infrastructure"
    finding = None if failed else inspected(parts, episode)
    found = finding.to_dict() if finding else None
    if finding and may_intervene(parts, episode):
        return {"finding": found, "outcome": None}
    verdict = outcome(episode, finding, max_hint_share=parts.max_hint_share)
    return {"finding": found, "outcome": verdict, **steps.answer(state)}


def inspected(parts: Parts, episode: Episode) -> Finding | None:
    """The first flaw that the intervener finds, the accepted answer kept from it."""
    return parts.intervener.inspect(replace(episode, problem=replace(episode.problem, answers=())))


def may_intervene(parts: Parts, episode: Episode) -> bool:
    """Whether the run may get another hint."""
    return len(episode.interventions) < parts.max_interventions


def go_on(state: CalmState) -> Literal["reason", "judge"]:
    """Reason until the run has stopped."""
    return "judge" if steps.is_over(state) else "reason"


def after_detect(state: CalmState) -> Literal["intervene", "execute"]:
    """Mend what was found before anything runs."""
    return "intervene" if state["finding"] else "execute"


def after_judge(state: CalmState) -> Literal["intervene", "__end__"]:
    """Back to the flaw, or out."""
    return "__end__" if state["outcome"] else "intervene"


graph = build(partial(default_parts, "nano-base"))
"""For `langgraph.json`."""
