"""The nodes of both state machines that watch a trajectory: detect a flaw, and intervene."""

from typing import Any

from storm_calm.agents.graphs import nodes
from storm_calm.agents.graphs.components import Parts, Supply
from storm_calm.agents.graphs.state import WatchedState
from storm_calm.agents.interveners import Cost, Inspection
from storm_calm.env import Episode, Finding
from storm_calm.env.serialize import from_json, to_json


def unwatched() -> dict[str, Any]:
    """Return the part of the state that these nodes update, before the first inspection."""
    return {"finding": None, "hint": None, "rejected_hints": [], "cost": to_json(Cost())}


def detect(supply: Supply, state: WatchedState) -> dict[str, Any]:
    """Inspect the trajectory, if an intervention is left to repair a flaw."""
    parts, episode = supply(), nodes.episode_of(state)
    if episode.stop == "infrastructure" or not parts.guard.hints_left(episode):
        return {"finding": None, "hint": None}
    seen = parts.guard.inspect(episode)
    return {**record(seen, state), **(repair(parts, episode, seen) or {"finding": None, "hint": None})}


def intervene(supply: Supply, state: WatchedState) -> dict[str, Any]:
    """Cut the trajectory at the flaw and append the hint."""
    env = supply().env(nodes.episode_of(state))
    data, hint = state["finding"], state["hint"]
    assert data is not None, "detect, review and judge come here with a finding and a hint only"
    assert hint is not None, "the same"
    finding = from_json(Finding, data)
    intervention = env.intervene(finding, hint)
    tail = env.episode.transcript.spans[-1]
    nodes.emit_event(
        source="hint", text=tail.text, cut=intervention.cut, trigger=finding.trigger, evidence=finding.evidence
    )
    return {**nodes.update(env.episode, state), "finding": None, "hint": None}


def repair(parts: Parts, episode: Episode, seen: Inspection) -> dict[str, Any] | None:
    """Return finding and hint as an update of the state; None without a flaw, a hint or an intervention left."""
    if seen.finding is None or seen.hint is None or not parts.guard.may_hint(episode, seen.finding):
        return None
    return {"finding": to_json(seen.finding), "hint": seen.hint}


def record(seen: Inspection, state: WatchedState) -> dict[str, Any]:
    """Return the update of the state that adds the cost and the rejected hints."""
    cost = from_json(Cost, state["cost"]) + seen.cost
    rejected_hints = [*state["rejected_hints"], *(to_json(rejected) for rejected in seen.rejected_hints)]
    return {"cost": to_json(cost), "rejected_hints": rejected_hints}
