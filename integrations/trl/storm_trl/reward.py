"""The reward of `StormEnvironment`: the answer in the last message of a rollout, scored by `env.score`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from storm_trl.environment import StormEnvironment

Completion = Sequence[Mapping[str, Any]]
"""The messages of a rollout after its prompt."""


def answer_reward(tokenizer: Any) -> Callable[..., list[float | None]]:
    """Return the function for `GRPOTrainer(reward_funcs=...)`.

    It gives 1.0 for a correct answer, 0.0 otherwise, and None, which excludes the rollout, if the sandbox or the
    problem's checker failed or the problem has no accepted answers.
    tokenizer: that of the model. A rollout that does not end with its end-of-turn or padding token was cut by the token
    limit and has no answer.
    """
    ends = {tokenizer.eos_token_id, tokenizer.pad_token_id}

    def storm_reward(
        *,
        completions: Sequence[Completion],
        completion_ids: Sequence[Sequence[int]],
        environments: Sequence[StormEnvironment],
        **_: Any,
    ) -> list[float | None]:
        rewards: list[float | None] = []
        for completion, ids, environment in zip(completions, completion_ids, environments, strict=True):
            truncated = not ids or ids[-1] not in ends
            scored = environment.episode.finish(last_message(completion), truncated=truncated)
            rewards.append(None if scored is None else scored.reward)
        return rewards

    return storm_reward


def last_message(completion: Completion) -> str:
    """Return the text of the last message, thoughts included, or "" if the rollout ends with a tool's output."""
    if not completion or completion[-1].get("role") != "assistant":
        return ""
    message = completion[-1]
    content = message.get("content") or ""
    if not isinstance(content, str):  # Content blocks, as models with images have them.
        content = "".join(str(block.get("text", "")) for block in content)
    thoughts = message.get("reasoning_content")
    return f"<think>\n{thoughts}\n</think>\n\n{content}" if thoughts else content
