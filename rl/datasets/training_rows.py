"""Turn a golden trajectory, or a problem, into a row of a dataset.

sft_row(episode)["loss_mask"]            # 1 on what the model wrote and on hints, 0 on the rest
trl_row(episode)["labels"]               # the same as labels, -100 on the rest
message_row(episode)["messages"]         # chat messages; who wrote which token is lost
rl_rows(problems, split="train")         # prompts and answers for veRL's agent loop
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

from storm_calm.agents.reasoners import chat_messages, chat_template
from storm_calm.env import PROTOCOLS, Episode, Message, Problem
from storm_calm.env.loss_mask import loss_mask
from storm_calm.env.problems.families import Split
from storm_calm.env.serialize import to_json

Format = Literal["verl-sft", "trl", "messages", "verl-rl"]
"""What trains on it: veRL's SFT trainer, TRL's SFTTrainer, anything that reads chat messages, veRL's GRPO trainer."""

FORMATS: tuple[Format, ...] = get_args(Format)
"""All formats."""

NOT_LEARNED = -100
"""The label of a token without loss, as PyTorch's cross entropy has it."""


def trajectory_row(episode: Episode, format: Format, *, hints: bool = True) -> dict[str, Any]:
    """Return a golden trajectory as a row of any format but verl-rl. hints: whether hints are learned."""
    if format == "verl-sft":
        return sft_row(episode, hints=hints)
    return trl_row(episode, hints=hints) if format == "trl" else message_row(episode)


def sft_row(episode: Episode, *, hints: bool = True) -> dict[str, Any]:
    """A run for `rl.train_sft`: `input_ids` and `loss_mask`, both of shape (tokens,), and which problem it is.

    hints: whether hints are learned, as in `Transcript.mask`. Raises ValueError for a run without token ids.
    """
    ids = _ids(episode)
    problem = episode.problem
    return {
        "id": problem.id,
        "family": problem.family,
        "difficulty": problem.difficulty,
        "source": problem.source,
        "input_ids": ids,
        "loss_mask": list(loss_mask(episode.transcript, "sft", hints=hints)),
    }


def trl_row(episode: Episode, *, hints: bool = True) -> dict[str, Any]:
    """A run for TRL's SFTTrainer, which takes rows with `labels` as they are; all columns are of shape (tokens,).

    Raises ValueError for a run without token ids.
    """
    ids = _ids(episode)
    mask = loss_mask(episode.transcript, "sft", hints=hints)
    labels = [id if learned else NOT_LEARNED for id, learned in zip(ids, mask, strict=True)]
    return {"input_ids": ids, "labels": labels, "attention_mask": [1] * len(ids)}


def message_row(episode: Episode) -> dict[str, Any]:
    """A run as chat messages: what the model was told, the question, and what follows.

    A run of raw text: all that follows is one message of the assistant's, with the opened `<think>`, the programs, what
    they printed, and the hints. A run over a chat with tool calls: calls and the tool's answers as messages of their
    own, with `tools` beside them, as OpenAI's fine-tuning takes it; hints in the assistant's own words, see
    `agents.reasoners.chat_messages.lesson`.
    Raises ValueError for a run whose prompt is neither ChatML nor that of a chat.
    """
    problem = episode.problem
    text = episode.transcript.text
    prompt = text[: episode.transcript.prompt_end]
    if _is_chat(prompt):
        chat: dict[str, Any] = {
            "messages": chat_messages.lesson(text),
            "tools": chat_messages.TOOLS,
            "parallel_tool_calls": False,
        }
    elif (messages := _messages(prompt)) is not None:
        whole = prompt.rpartition(_ASSISTANT)[2] + text[len(prompt) :]
        chat = {"messages": [*messages, {"role": "assistant", "content": whole}]}
    else:
        raise ValueError(
            f"run {problem.id!r}: its prompt is not ChatML, nor that of a chat, so its messages are not known; "
            "use verl-sft"
        )
    return {
        **chat,
        "id": problem.id,
        "family": problem.family,
        "difficulty": problem.difficulty,
        "source": problem.source,
    }


def rl_rows(
    problems: Iterable[Problem], *, split: Split = "train", instructions: str | None = ""
) -> list[dict[str, Any]]:
    """Problems for veRL's GRPO trainer with the agent loop "storm".

    split: written into `extra_info`. instructions: what the model is told before the question, "" for nothing, which is
    right for nano models, None for the text protocol's own words. Raises ValueError for a problem without answers.
    """
    rows: list[dict[str, Any]] = []
    for index, problem in enumerate(problems):
        if not problem.answers:
            raise ValueError(f"problem {problem.id!r} has no answer, so no run at it gets a reward; leave it out")
        rows.append(
            {
                "data_source": problem.family or problem.source or "problems",
                "agent_name": "storm",
                "prompt": PROTOCOLS["inline"].messages(problem.question, instructions),
                "reward_model": {"style": "rule", "ground_truth": json.dumps(list(problem.answers))},
                "extra_info": {
                    "index": index,
                    "split": split,
                    "id": problem.id,
                    "problem": json.dumps(to_json(problem), ensure_ascii=False),
                },
            }
        )
    return rows


def learned_tokens(rows: Sequence[dict[str, Any]], format: Format) -> int | None:
    """Return how many tokens have a loss, counted in the rows as a trainer would; None for formats without a mask."""
    if format == "verl-sft":
        return sum(sum(row["loss_mask"]) for row in rows)
    if format == "trl":
        return sum(label != NOT_LEARNED for row in rows for label in row["labels"])
    return None


def _ids(episode: Episode) -> list[int]:
    ids = episode.transcript.ids
    if ids is None:
        fix = "curate again with --tokenizer FILE, the model's tokenizer.json, or use --format messages"
        if _is_chat(episode.transcript.text[: episode.transcript.prompt_end]):
            fix = "use --format messages, or curate with a server that has raw completions; no chat gives token ids"
        raise ValueError(f"run {episode.problem.id!r} has no token ids, so it has no mask; {fix}")
    return list(ids)


_ASSISTANT = "<|im_start|>assistant\n"
_TURN = re.compile(r"<\|im_start\|>(\w+)\n(.*?)<\|im_end\|>\n", re.DOTALL)


def _is_chat(prompt: str) -> bool:
    """Whether `prompt` is a line of messages, as `chat_messages.render` makes it."""
    try:
        messages, rest = chat_messages.read(prompt)
    except ValueError:
        return False
    return bool(messages) and not rest and all(isinstance(one, dict) and "role" in one for one in messages)


def _messages(prompt: str) -> list[Message] | None:
    """The messages that `prompt` was rendered from; None unless rendering them gives it again."""
    messages: list[Message] = [{"role": turn[1], "content": turn[2]} for turn in _TURN.finditer(prompt)]
    try:
        return messages if chat_template.render(messages) == prompt else None
    except ValueError:
        return None
