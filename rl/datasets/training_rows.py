"""Convert golden trajectories and problems to dataset rows.

sft_row(episode)["loss_mask"]            # 1 for model text and hints, 0 for the rest
trl_row(episode)["labels"]               # the same as labels, -100 for the rest
message_row(episode)["messages"]         # chat messages, without a loss mask
rl_rows(problems, split="train")         # prompts and answers for veRL's agent loop
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

from storm_calm.agents.reasoners import chat_messages, chat_template
from storm_calm.env import PROTOCOLS, Episode, Message, Problem
from storm_calm.env.loss_mask import loss_mask
from storm_calm.env.problems.families import Split
from storm_calm.env.prompt_format import CHATML, PromptFormat
from storm_calm.env.reward import scorable
from storm_calm.env.serialize import to_json
from storm_calm.env.workspace import full_question

Format = Literal["verl-sft", "trl", "messages", "verl-rl", "harbor", "parquet"]
"""Rows for veRL's SFT trainer, for TRL's SFTTrainer, for any trainer of chat messages, and for veRL's GRPO trainer;
folders of Harbor tasks; and a table of all records for analysis."""

FORMATS: tuple[Format, ...] = get_args(Format)

NEED_IDS: tuple[Format, ...] = ("verl-sft", "trl")
"""The formats of trajectories with token ids."""

OF_PROBLEMS: tuple[Format, ...] = ("verl-rl", "harbor")
"""The formats of problems; the others are of trajectories."""

NOT_LEARNED = -100
"""The label of a token without loss, as in PyTorch's cross entropy."""


def trajectory_row(
    episode: Episode, format: Format, *, hints: bool = True, prompt_format: PromptFormat | None = None
) -> dict[str, Any]:
    """Return a golden trajectory as a row of any format that is not of problems.

    hints: whether hints have a loss. prompt_format: of its prompt; None for ChatML.
    """
    if format == "verl-sft":
        return sft_row(episode, hints=hints)
    return trl_row(episode, hints=hints) if format == "trl" else message_row(episode, prompt_format)


def sft_row(episode: Episode, *, hints: bool = True) -> dict[str, Any]:
    """Return a row for `rl.train_sft`: the problem's labels, and `input_ids` and `loss_mask` of shape (tokens,).

    hints: whether hints have a loss. Raises ValueError for a trajectory without token ids.
    """
    ids = _ids(episode)
    return {**_labels(episode), "input_ids": ids, "loss_mask": list(loss_mask(episode.transcript, "sft", hints=hints))}


def trl_row(episode: Episode, *, hints: bool = True) -> dict[str, Any]:
    """Return a row for TRL's SFTTrainer, which uses given `labels` unchanged; all columns have shape (tokens,).

    Raises ValueError for a trajectory without token ids.
    """
    ids = _ids(episode)
    mask = loss_mask(episode.transcript, "sft", hints=hints)
    labels = [id if learned else NOT_LEARNED for id, learned in zip(ids, mask, strict=True)]
    return {"input_ids": ids, "labels": labels, "attention_mask": [1] * len(ids)}


def message_row(episode: Episode, prompt_format: PromptFormat | None = None) -> dict[str, Any]:
    """Return a trajectory as chat messages: instructions, question, and the rest.

    For the inline protocol the rest is one assistant message with thoughts, programs, their output, and hints. For tool
    calls it is a message for each call and tool result, with `tools`, as OpenAI's fine-tuning expects; hints are part
    of assistant messages, see `agents.reasoners.chat_messages.lesson`.
    prompt_format: of its prompt; None for ChatML. Raises ValueError if the prompt is neither in it nor a chat.
    """
    text = episode.transcript.text
    prompt = text[: episode.transcript.prompt_end]
    if _is_chat(prompt):
        chat: dict[str, Any] = {
            "messages": chat_messages.lesson(text),
            "tools": chat_messages.TOOLS,
            "parallel_tool_calls": False,
        }
    elif (messages := _messages(prompt, prompt_format, episode.problem)) is not None:
        opened = f"{chat_template.THOUGHT}\n" if chat_template.opens_thought(prompt) else ""
        whole = opened + text[len(prompt) :]
        chat = {"messages": [*messages, {"role": "assistant", "content": whole}]}
    else:
        raise ValueError(
            f"trajectory {episode.problem.id!r}: its prompt is neither ChatML nor a chat, so it has no messages; "
            "use verl-sft"
        )
    return {**chat, **_labels(episode)}


def check_prompt(episode: Episode, prompt_format: PromptFormat, place: str) -> None:
    """Raise ValueError if the prompt of a trajectory is not in the format of its run. place: of the format's file."""
    prompt = episode.transcript.text[: episode.transcript.prompt_end]
    if _question(prompt, prompt_format, episode.problem) is None:
        raise ValueError(
            f"trajectory {episode.problem.id!r} has a prompt in another format than {place}; curate again, or restore "
            "the file"
        )


def _labels(episode: Episode) -> dict[str, str]:
    return {name: getattr(episode.problem, name) for name in ("id", "family", "difficulty", "source")}


def rl_rows(
    problems: Iterable[Problem], *, split: Split = "train", instructions: str | None = ""
) -> list[dict[str, Any]]:
    """Return rows for veRL's GRPO trainer with the agent loop "storm", see `rl_row`."""
    return [rl_row(problem, index, split=split, instructions=instructions) for index, problem in enumerate(problems)]


def rl_row(problem: Problem, index: int, *, split: Split = "train", instructions: str | None = "") -> dict[str, Any]:
    """Return a row for veRL's GRPO trainer with the agent loop "storm".

    index, split: stored in `extra_info`. instructions: the system prompt; "" for none, as nano models expect, None for
    the inline protocol's default. Raises ValueError for a problem without answers.
    """
    check_scorable(problem)
    return {
        "data_source": problem.family or problem.source or "problems",
        "agent_name": "storm",
        "prompt": PROTOCOLS["inline"].messages(full_question(problem), instructions),
        "reward_model": {"style": "rule", "ground_truth": json.dumps(list(problem.answers))},
        "extra_info": {
            "index": index,
            "split": split,
            "id": problem.id,
            "problem": json.dumps(to_json(problem), ensure_ascii=False),
        },
    }


def check_scorable(problem: Problem) -> None:
    """Raise ValueError for a problem without answers, whose rollouts would have no reward."""
    if not scorable(problem):
        raise ValueError(f"problem {problem.id!r} has no answer, so its rollouts have no reward; leave it out")


def system_prompt(messages: Sequence[Message]) -> str:
    """Return the system prompt of the messages in a row, "" for none."""
    return next((message["content"] for message in messages if message["role"] == "system"), "")


def learned_tokens(row: Mapping[str, Any], format: Format) -> int:
    """Return the number of tokens with a loss in a row of a format in `NEED_IDS`."""
    return sum(row["loss_mask"]) if format == "verl-sft" else sum(one != NOT_LEARNED for one in row["labels"])


def _ids(episode: Episode) -> list[int]:
    ids = episode.transcript.ids
    if ids is None:
        raise ValueError(f"trajectory {episode.problem.id!r} has no token ids, so no loss mask; {ids_fix(episode)}")
    return list(ids)


def ids_fix(episode: Episode) -> str:
    """Return what to do about a trajectory without token ids, for an error message."""
    if _is_chat(episode.transcript.text[: episode.transcript.prompt_end]):
        return "use --format messages, or curate with a server that has raw completions; chats have no token ids"
    return (
        "curate again with --tokenizer FOLDER, the model's, and a server that returns token ids, such as vLLM; "
        "or use --format messages"
    )


_TURN = re.compile(r"<\|im_start\|>(\w+)\n(.*?)<\|im_end\|>\n", re.DOTALL)


def _is_chat(prompt: str) -> bool:
    """Return whether `prompt` is a rendering of `chat_messages.render`."""
    try:
        messages, rest = chat_messages.read(prompt)
    except ValueError:
        return False
    return bool(messages) and not rest and all(isinstance(one, dict) and "role" in one for one in messages)


def _messages(prompt: str, prompt_format: PromptFormat | None, problem: Problem) -> list[Message] | None:
    """Return the messages of a prompt; None unless rendering them gives the same prompt."""
    if prompt_format is not None and prompt_format.template is not None:
        question = _question(prompt, prompt_format, problem)
        if question is None:
            return None
        return PROTOCOLS[prompt_format.protocol].messages(question, prompt_format.system_prompt)
    messages: list[Message] = [{"role": turn[1], "content": turn[2]} for turn in _TURN.finditer(prompt)]
    try:
        return messages if chat_template.render(messages, (), prompt_format or CHATML) == prompt else None
    except ValueError:
        return None


def _question(prompt: str, prompt_format: PromptFormat, problem: Problem) -> str | None:
    """Return the question in a prompt, with the spaces in names of special tokens; None for another format."""
    marked = full_question(problem).strip() or "?"
    messages = PROTOCOLS[prompt_format.protocol].messages(_PLACE, prompt_format.system_prompt)
    before, _, after = chat_template.render(messages, (), prompt_format).partition(_PLACE)
    if not prompt.startswith(before) or not prompt.endswith(after):
        return None
    question = prompt[len(before) : len(prompt) - len(after)]
    return question if question.replace(" ", "").strip() == marked.replace(" ", "") else None


_PLACE = "[the question of the problem]"
