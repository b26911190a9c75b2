"""GRPOTrainer with the environments, end to end on the CPU."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import GRPOConfig, GRPOTrainer
from trl import chat_template_utils as templates

from storm_calm import generate
from storm_calm.env import score
from storm_calm.env.loss_mask import loss_mask
from storm_calm.env.prompt_format import NANO, read_prompt_format
from storm_trl import StormEnvironment, SubmitEnvironment, answer_reward, inline_rollouts, problem_dataset
from train_nano import NANO_BASE, train

FOLDER = Path(__file__).resolve().parent.parent


def config(out, **changes):
    return GRPOConfig(
        output_dir=str(out), max_steps=1, per_device_train_batch_size=4, num_generations=4, max_completion_length=1024,
        learning_rate=1e-3, beta=0.0, use_cpu=True, bf16=False, logging_steps=1, save_strategy="no", report_to="none",
        disable_tqdm=True, **changes,
    )  # fmt: skip


def test_the_script_trains_two_steps(tmp_path):
    out = tmp_path / "model"
    run = subprocess.run(
        [sys.executable, str(FOLDER / "train_nano.py"), "--steps", "2", "--out", str(out)],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    lines = run.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines if line.startswith("step ")] == ["step 1", "step 2"]
    assert read_prompt_format(out) == NANO.resolved()
    before, after = (AutoModelForCausalLM.from_pretrained(str(folder)).state_dict() for folder in (NANO_BASE, out))
    assert any(not torch.equal(before[name].float(), after[name].float()) for name in before)


def test_rollouts_have_the_environments_ids_mask_and_reward(tmp_path, monkeypatch):
    calls = []
    play = inline_rollouts.InlineRollouts.__call__

    def recorded(self, prompts, trainer):
        rollouts = play(self, prompts, trainer)
        calls.append((self, {name: list(values) for name, values in rollouts.items()}))
        return rollouts

    monkeypatch.setattr(inline_rollouts.InlineRollouts, "__call__", recorded)
    trainer = train(steps=1, out=tmp_path, prompts=2, group=4)
    [(rollouts, output)] = calls
    assert len(rollouts.episodes) == 8
    for number, episode in enumerate(rollouts.episodes):
        ids = output["prompt_ids"][number] + output["completion_ids"][number]
        assert tuple(ids) == episode.transcript.ids
        start = len(output["prompt_ids"][number])
        assert tuple(output["env_mask"][number]) == loss_mask(episode.transcript, "rl")[start:]
        assert output["storm_reward"][number] == score(episode).reward
        for used, logprob in zip(output["env_mask"][number], output["logprobs"][number], strict=True):
            assert logprob <= 0 if used else logprob == 0
    assert any(episode.executions for episode in rollouts.episodes)
    assert sum(map(sum, output["logprobs"])) < -1
    logged = next(row for row in trainer.state.log_history if "reward" in row)
    assert logged["reward"] == pytest.approx(sum(output["storm_reward"]) / 8)


def test_recorded_log_probabilities_are_those_of_the_model(tmp_path, monkeypatch):
    seen = []
    play = inline_rollouts.InlineRollouts.__call__

    def recorded(self, prompts, trainer):
        rollouts = play(self, prompts, trainer)
        ids = torch.tensor([rollouts["prompt_ids"][0] + rollouts["completion_ids"][0]])
        with torch.no_grad():
            logits = trainer.model(ids).logits[0, :-1] / trainer.temperature
        expected = logits.log_softmax(-1).gather(-1, ids[0, 1:, None])[:, 0]
        start = len(rollouts["prompt_ids"][0]) - 1
        for value, own, used in zip(
            expected[start:].tolist(), rollouts["logprobs"][0], rollouts["env_mask"][0], strict=True
        ):
            if used:
                seen.append(abs(value - own))
        return rollouts

    monkeypatch.setattr(inline_rollouts.InlineRollouts, "__call__", recorded)
    train(steps=1, out=tmp_path, prompts=1, group=2)
    assert len(seen) > 20
    assert max(seen) < 1e-4


def test_nano_cannot_call_tools_in_the_notation_of_the_trainer(tmp_path):
    assert not templates.supports_tool_calling(AutoTokenizer.from_pretrained(str(NANO_BASE)))
    with pytest.raises(ValueError, match="does not support tool calling"):
        GRPOTrainer(
            model=str(NANO_BASE), environment_factory=SubmitEnvironment, args=config(tmp_path),
            train_dataset=problem_dataset(generate(["easy"], split="train", seed=1, limit=1)),
        )  # fmt: skip


@pytest.fixture
def tool_tokenizer():
    """Nano's tokenizer with Qwen3's chat template, which has tools."""
    tokenizer = AutoTokenizer.from_pretrained(str(NANO_BASE))
    tokenizer.chat_template = templates.qwen3_chat_template
    return tokenizer


def call(name, **arguments):
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call><|im_end|>"


class ScriptedTrainer(GRPOTrainer):
    """A trainer whose model writes scripted turns; all else is the trainer's own: tool loop, masks, reward and loss."""

    def _generate_single_turn(self, prompt_ids, *_, **__):
        turn = self.turns.pop(0)
        self.prompts.append([self._tokenizer.decode(ids) for ids in prompt_ids])
        return [self._tokenizer(text)["input_ids"] for text in turn], None


def scripted(tokenizer, out, turns, **arguments):
    model = AutoModelForCausalLM.from_pretrained(str(NANO_BASE), dtype=torch.float32)
    model.config.max_position_embeddings = 16384
    trainer = ScriptedTrainer(
        model=model, processing_class=tokenizer, args=config(out),
        train_dataset=problem_dataset(generate(["knapsack"], split="train", seed=1, limit=1)), **arguments,
    )  # fmt: skip
    trainer.turns, trainer.prompts = turns, []
    return trainer


def test_tools_run_and_the_last_message_is_scored(tool_tokenizer, tmp_path):
    [problem] = generate(["knapsack"], split="train", seed=1, limit=1)
    right = f"{problem.answers[0]:g}"
    turns = [
        [call("run_python", code="print(6 * 7)")] * 3 + [f"I guess \\boxed{{{right}}}<|im_end|>"],
        [f"It is \\boxed{{{right}}}.<|im_end|>", "It is \\boxed{-5}.<|im_end|>", "I give up.<|im_end|>"],
    ]
    trainer = scripted(
        tool_tokenizer, tmp_path, turns,
        environment_factory=StormEnvironment, reward_funcs=answer_reward(tool_tokenizer),
    )  # fmt: skip
    trainer.train()
    logged = next(row for row in trainer.state.log_history if "reward" in row)
    assert logged["rewards/storm_reward/mean"] == 0.5
    assert logged["tools/call_frequency"] == 0.75
    assert logged["tools/failure_frequency"] == 0
    first, second = trainer.prompts
    assert problem.question in first[0]
    assert "run_python" in first[0]
    assert "Run a whole Python program" in first[0]
    assert all("<tool_response>\n42\n</tool_response>" in text for text in second)


def test_an_environment_that_owns_the_reward_needs_no_reward_function(tool_tokenizer, tmp_path):
    [problem] = generate(["knapsack"], split="train", seed=1, limit=1)
    right = f"{problem.answers[0]:g}"
    answers = [right, right, "-5"]
    turns = [
        [call("submit_answer", answer=answer) for answer in answers] + ["I give up.<|im_end|>"],
        ["Done.<|im_end|>"] * 3,
    ]
    trainer = scripted(tool_tokenizer, tmp_path, turns, environment_factory=SubmitEnvironment)
    trainer.train()
    logged = next(row for row in trainer.state.log_history if "reward" in row)
    assert logged["rewards/SubmitEnvironment/mean"] == 0.5
