"""Train with the solver in the loop: GRPO with veRL's trainer, in the environment of curation and evaluation.

    storm train grpo --device cpu --out runs/grpo --model runs/sft/model trainer.total_training_steps=3 storm.seed=1
    storm train grpo --config grpo_qwen3_4b_h100x8 --out runs/qwen --dry-run

In a checkout, `python rl/train_verl.py` is the same command. By default it trains the built-in nano base model on
problems of all families. Running the same command again resumes a stopped run. Settings are veRL's, and ours under
`storm` (rl/config/grpo.yaml); `key=value` changes one.
"""

import math
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

if __name__ == "__main__" and not __package__:
    # Run as a script in a checkout: import storm_calm from the checkout.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from storm_calm.env.prompt_format import PromptFormat, write_prompt_format
from storm_calm.rl.compose import FOLDER
from storm_calm.rl.metric_loggers import check_loggers, logger_environment
from storm_calm.rl.preflight_checks import (
    check_model,
    check_rl_data,
    check_rule,
    is_nano,
    lack_of_room,
    longest_prompt,
)
from storm_calm.rl.prompt_formats import grpo_prompt_format
from storm_calm.rl.redirect_output import redirect_output
from storm_calm.rl.rollout.rewards import RewardSettings
from storm_calm.rl.run_folder import claim_training_folder, gather_metrics, new_metrics_file
from storm_calm.rl.train_options import (
    end_dry_run,
    is_on_hub,
    local_model,
    parser_of,
    run_command,
    train_in_folder,
)
from storm_calm.rl.trainer_modes import check_trainer_mode

MIN_PROMPT_TOKENS = 512
"""The least room for prompts if it is chosen from the data (`data.max_prompt_length: null`)."""
HELDOUT_PROBLEMS = 64
"""Held-out problems for veRL's own validation (`trainer.test_freq`)."""


def main(words: Sequence[str] | None = None, *, name: str | None = None) -> None:
    """Run the command. words: the command line (default: the process's). name: the command's name in its help."""
    words = sys.argv[1:] if words is None else words
    parser = parser_of(__doc__, name or "python rl/train_verl.py")
    defaults = {"cpu": "grpo_nano_cpu", "cuda": "grpo_nano_gpu"}
    run_command(train, "train_verl", parser, words, defaults, out="runs/grpo", model="actor_rollout_ref.model.path")


def train(config: Any, *, dry_run: bool = False) -> None:
    """Check everything, train, and write the trained model into the run folder.

    Raises ValueError for invalid settings, data, model or run folder.
    """
    from omegaconf import OmegaConf

    agent = config.actor_rollout_ref.rollout.agent
    agent.agent_loop_config_path = str(agent.agent_loop_config_path).replace("pkg://storm_calm.rl.config", str(FOLDER))
    out, settings = Path(config.storm.out), config.storm
    check_rule(settings.rule)
    RewardSettings.of(settings.reward, response_length=config.data.max_response_length)
    check_loggers(config.trainer.logger)
    check_trainer_mode(config)
    if dry_run and is_on_hub(config.actor_rollout_ref.model):
        _dry_run(config)
        return
    model = local_model(config.actor_rollout_ref.model)
    prompt_format = grpo_prompt_format(model, Path(config.data.train_files), instructions=settings.instructions)
    renderer = check_model(model, prompt_format)
    system = prompt_format.system_prompt
    print(f"{model}: {f'a system prompt of {len(system)} characters' if system else 'no system prompt'}", flush=True)
    if settings.export and not is_nano(model):
        print(
            f"note: the settings are for nano models, and {model} is another one: learning rate "
            f"{config.actor_rollout_ref.actor.optim.lr:g}, responses of {config.data.max_response_length} tokens, an "
            "export for the nano reasoner. Set actor_rollout_ref.actor.optim.lr=1e-6 data.max_response_length=N "
            "storm.export=false, or your own --config",
            flush=True,
        )
    if dry_run:
        _dry_run(config)
        return
    resolved: Any = OmegaConf.to_container(config, resolve=True)
    with claim_training_folder(out, resolved):
        write_prompt_format(out, prompt_format)
        _prepare_data(config, prompt_format)
        if config.data.max_prompt_length is None:
            longest = longest_prompt(Path(config.data.train_files), renderer)
            config.data.max_prompt_length = max(MIN_PROMPT_TOKENS, -(-longest // 64) * 64)
            print(f"prompts of up to {longest} tokens: data.max_prompt_length={config.data.max_prompt_length}")
        for file in (config.data.train_files, config.data.val_files):
            check_rl_data(
                Path(file), renderer, prompt=config.data.max_prompt_length, response=config.data.max_response_length
            )
        _check_sandbox(settings)
        steps, checkpoints = config.trainer.total_training_steps, config.trainer.max_actor_ckpt_to_keep
        train_in_folder(config, out, model, steps=steps or math.inf, checkpoints=checkpoints or 1, run=_run)


def _dry_run(config: Any) -> None:
    config.data.max_prompt_length = config.data.max_prompt_length or MIN_PROMPT_TOKENS
    end_dry_run(config, config.actor_rollout_ref.model)
    _validate(config)
    print("The settings are valid; nothing was started.")


def _prepare_data(config: Any, prompt_format: PromptFormat) -> None:
    """Write the datasets of the run folder, if they are missing."""
    from storm_calm.env import read_problems
    from storm_calm.env.problems.families import generate
    from storm_calm.env.problems.heldout import is_heldout
    from storm_calm.rl.datasets import rl_rows
    from storm_calm.rl.datasets.dataset_files import write_rows

    settings, instructions = config.storm, prompt_format.system_prompt
    families, seed = list(settings.families), int(settings.seed)
    train_file, val_file = Path(config.data.train_files), Path(config.data.val_files)
    if not train_file.exists() and train_file.is_relative_to(settings.out):
        if settings.problems:
            problems = list(read_problems(settings.problems))
            held = [problem.id for problem in problems if is_heldout(problem)]
            if held:
                raise ValueError(
                    f"{settings.problems}: {len(held)} of its problems are for evaluation only (the families' held-out "
                    f"split, or a stress set), such as {held[0]!r}; leave them out"
                )
        else:
            problems = list(generate(families, split="train", seed=seed, limit=int(settings.count)))
        write_rows(train_file, rl_rows(problems, split="train", instructions=instructions), "verl-rl", prompt_format)
    if not val_file.exists() and val_file.is_relative_to(settings.out):
        problems = list(generate(families, split="heldout", seed=seed, limit=HELDOUT_PROBLEMS))
        write_rows(val_file, rl_rows(problems, split="heldout", instructions=instructions), "verl-rl", prompt_format)


def _check_sandbox(settings: Any) -> None:
    """Open the sandbox once, and print its isolation level. Raises ValueError if it cannot be opened."""
    from storm_calm.agents.runs.sandbox_options import SandboxOptions
    from storm_calm.sandbox import SandboxUnavailableError

    try:
        with SandboxOptions.of(settings).open_sandbox(workers=settings.workers) as sandbox:
            print(f"sandbox: {settings.sandbox}, isolation level {sandbox.isolation}", flush=True)
    except SandboxUnavailableError as error:
        raise ValueError(f"the sandbox cannot be opened: {error}") from error


def _validate(config: Any) -> None:
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import validate_config

    model, rollout = config.actor_rollout_ref.model, config.actor_rollout_ref.rollout
    if model.lora_rank and rollout.name == "transformers" and not model.lora.merge:
        raise ValueError(
            "actor_rollout_ref.rollout.name=transformers takes whole weights; with actor_rollout_ref.model.lora_rank="
            f"{model.lora_rank}, set actor_rollout_ref.model.lora.merge=true"
        )
    reference, critic = need_reference_policy(config), need_critic(config)
    try:
        validate_config(config=config, use_reference_policy=reference, use_critic=critic)
    except (AssertionError, ValueError) as error:
        raise ValueError(f"veRL rejects the settings: {error}") from error


def _run(config: Any, out: Path, weights: int) -> None:
    """Run veRL's trainer on Ray. weights: the number of weights of the model."""
    _validate(config)
    os.environ["VERL_FILE_LOGGER_PATH"] = str(new_metrics_file(out))
    os.environ.update(logger_environment(config.trainer.logger, out))
    if config.trainer.device == "cpu":
        os.environ.pop(
            "CUDA_VISIBLE_DEVICES", None
        )  # veRL requests a "GPU" from Ray, which an empty value would forbid.
    if not config.actor_rollout_ref.hybrid_engine:
        # veRL 0.9.1 raises in a log message of level INFO about this setting.
        os.environ.setdefault("VERL_LOGGING_LEVEL", "WARNING")
    import ray
    from verl.trainer.main_ppo import TaskRunnerV1, run_ppo

    try:
        with redirect_output(out, Path(os.environ["VERL_FILE_LOGGER_PATH"]), format_step):
            run_ppo(config, task_runner_class=TaskRunnerV1)
    except ray.exceptions.RayTaskError as error:
        cause = str(error.cause).strip() or type(error.cause).__name__
        raise ValueError(
            f"training ended early: {cause}{lack_of_room(out, weights)}. "
            "Run the same command again to resume from the last checkpoint"
        ) from error
    finally:
        ray.shutdown()
        with suppress(OSError):  # A full disk must not replace the error of the training itself.
            gather_metrics(out)


def format_step(step: int, figures: Mapping[str, float]) -> str:
    """Return the console line of a step; metrics.jsonl has all of its metrics."""
    return (
        f"step {step}  accuracy {figures['storm/accuracy']:.3f}  programs {figures['storm/executions']:.2f}  "
        f"tokens {figures['storm/model_tokens']:.0f}  {figures['timing_s/step']:.1f} s "
        f"(generation {figures['storm/generation_seconds']:.1f}, "
        f"environment {figures['storm/environment_seconds']:.1f})"
    )


if __name__ == "__main__":
    main()
