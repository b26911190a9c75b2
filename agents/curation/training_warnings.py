"""Warnings about a curation whose trajectories cannot be trained on, for its start and its summary."""

from collections.abc import Iterable

from storm_calm.agents.reasoners import CHAT_PREFIX
from storm_calm.env import Problem, Reasoner


def training_warnings(spec: str, *, problems: int, held_out: int, ids: bool) -> tuple[str, ...]:
    """Return what will keep the trajectories from a training dataset, and the fix of each.

    spec: the reasoner's name in the settings. held_out: how many of the problems are for evaluation only. ids: whether
    trajectories have token ids.
    """
    warnings: list[str] = []
    if not ids and spec.startswith(CHAT_PREFIX):
        warnings.append(
            "Chat endpoints return no token ids, so `storm export` writes only the format messages. For verl-sft and "
            "trl use a server with raw completions: --reasoner URL --tokenizer FOLDER."
        )
    elif not ids:
        warnings.append(
            "The trajectories have no token ids, so `storm export` writes only the format messages. For verl-sft and "
            "trl add --tokenizer FOLDER, the model's, and use a server that returns token ids, such as vLLM."
        )
    if held_out:
        which = "These problems are" if held_out == problems else f"{held_out} of {problems} problems are"
        warnings.append(
            f"{which} for evaluation only (held-out split or stress set): `storm export` refuses them for training. "
            "Use --split train."
        )
    return tuple(warnings)


def count_held_out(problems: Iterable[Problem]) -> int:
    """Return how many problems are for evaluation only."""
    # The families import solver libraries, which `storm --help` does not need.
    from storm_calm.env.problems.heldout import is_heldout

    return sum(map(is_heldout, problems))


def returns_ids(reasoner: Reasoner) -> bool:
    """Return whether the reasoner returns token ids, as far as it is known before its first text."""
    known = getattr(reasoner, "returns_ids", None)
    return reasoner.encode("x") is not None if known is None else bool(known)
