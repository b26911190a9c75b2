"""The episode of a sample, in the sample's store. It is logged, so a log can be scored again."""

from dataclasses import replace

from inspect_ai.solver import TaskState

from storm_calm.env import Episode
from storm_calm.env.records import episode_from_json, episode_to_json

_EPISODE = "storm_episode"
_FAULT = "storm_fault"


def save(state: TaskState, episode: Episode, fault: str = "") -> None:
    """Store the episode. fault: the error of the sandbox that ended it."""
    state.store.set(_EPISODE, episode_to_json(episode))
    state.store.set(_FAULT, fault)


def saved(state: TaskState) -> tuple[Episode, str] | None:
    """Return the episode and the error of the sandbox; None if another solver ran.

    An episode that a limit of Inspect cut short is finished, with the stop reason "length".
    """
    data = state.store.get(_EPISODE)
    if data is None:
        return None
    episode = episode_from_json(data)
    if episode.stop is None:
        episode = replace(episode, stop="length")
    return episode, state.store.get(_FAULT, "")
