"""STORM's problems, sandbox and reward for TRL's GRPOTrainer.

    from storm_calm import generate
    from storm_trl import StormEnvironment, answer_reward, problem_dataset

    trainer = GRPOTrainer(
        model="Qwen/Qwen3-4B",
        train_dataset=problem_dataset(generate(["all"], split="train", seed=7, limit=512)),
        environment_factory=StormEnvironment,
        reward_funcs=answer_reward(tokenizer),
    )

Its modules:

    environment        what a model calls during a rollout
    reward             the reward of a rollout's last message
    problem_dataset    the dataset of prompts
    tool_episode       an episode of `SolverEnv` that is driven by tool calls
    inline_rollouts    a `rollout_func` for models that write programs in their text, such as nano
"""

from storm_trl.environment import StormEnvironment, SubmitEnvironment, shared_sandbox
from storm_trl.problem_dataset import problem_dataset
from storm_trl.reward import answer_reward
from storm_trl.tool_episode import ToolEpisode

__all__ = [
    "StormEnvironment",
    "SubmitEnvironment",
    "ToolEpisode",
    "answer_reward",
    "problem_dataset",
    "shared_sandbox",
]
