"""Train with the solver in the loop: GRPO on veRL's own trainer, in the environment of curation and evaluation.

    storm train grpo --device cpu --out runs/grpo --model runs/sft/model trainer.total_training_steps=3 storm.seed=1
    storm train grpo --config grpo_qwen3_4b_h100x8 --out runs/qwen --dry-run

In a checkout, `python rl/train_verl.py` is the same command. By default it trains the embedded nano base model on
problems of all families. The same command goes on where a run was stopped. Settings are veRL's, and ours under `storm`
(rl/config/grpo.yaml); `key=value` changes one.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

if __name__ == "__main__" and not __package__:
    # As a script in a checkout: the path begins with the folder that holds storm_calm instead of this one.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from storm_calm.rl.compose import FOLDER
from storm_calm.rl.preflight_checks import (
    check_checkpoints,
    check_disk,
    check_model,
    check_rl_data,
    check_rule,
    count_weights,
    lack_of_room,
)
from storm_calm.rl.redirect_output import redirect_output
from storm_calm.rl.run_folder import claim_training_folder, gather_metrics, new_metrics_file
from storm_calm.rl.train_options import local_model, parse_options, parser_of

HELDOUT_PROBLEMS = 64
"""Held-out problems that are put beside the training ones, for veRL's own validation (`trainer.test_freq`)."""


def main(words: Sequence[str] | None = None, *, name: str | None = None) -> None:
    """Run the command. words: its command line, by default the process's. name: what its help calls it."""
    words = sys.argv[1:] if words is None else words
    defaults = {"cpu": "grpo_nano_cpu", "cuda": "grpo_nano_gpu"}
    parser = parser_of(__doc__, name or "python rl/train_verl.py")
    try:
        config, arguments = parse_options(
            parser, words, defaults, out="runs/grpo", model="actor_rollout_ref.model.path"
        )
        train(config, dry_run=arguments.dry_run)
    except (ValueError, OSError) as error:
        sys.exit(f"train_verl: {error}")
    except KeyboardInterrupt:
        sys.exit("train_verl: stopped; the last checkpoint is kept. The same command goes on from it")


def train(config: Any, *, dry_run: bool = False) -> None:
    """Check everything, train, and write the trained model into the run's folder.

    Raises ValueError for what is wrong with the settings, the data, the model or the folder.
    """
    from omegaconf import OmegaConf

    config.actor_rollout_ref.rollout.agent.agent_loop_config_path = str(FOLDER / "agent_loops.yaml")
    out, settings = Path(config.storm.out), config.storm
    check_rule(settings.rule)
    model = local_model(config.actor_rollout_ref.model)
    renderer = check_model(model, settings.instructions)
    if dry_run:
        print(OmegaConf.to_yaml(config, resolve=True))
        _validate(config)
        print("The settings are complete and fit together; nothing was started.")
        return
    resolved: Any = OmegaConf.to_container(config, resolve=True)
    with claim_training_folder(out, resolved):
        _prepare_data(config)
        for file in (config.data.train_files, config.data.val_files):
            check_rl_data(
                Path(file), renderer, prompt=config.data.max_prompt_length, response=config.data.max_response_length
            )
        _check_sandbox(settings)
        done = check_checkpoints(Path(config.trainer.default_local_dir))
        if done >= (config.trainer.total_training_steps or float("inf")):
            print(f"{out}: all {done} steps are done already")
        else:
            weights = count_weights(model)
            check_disk(out, weights, config.trainer.max_actor_ckpt_to_keep or 1)
            print(f"{out}: from step {done} to {config.trainer.total_training_steps}", flush=True)
            _run(config, out, weights)
        from storm_calm.rl.merge_checkpoint import finish

        finish(out, base=model, export=settings.export)


def _prepare_data(config: Any) -> None:
    """Make the data sets that are the run's own, where they are not there yet."""
    from storm_calm.env import read_problems
    from storm_calm.env.problems.families import generate
    from storm_calm.rl.contamination import is_heldout
    from storm_calm.rl.datasets import rl_rows
    from storm_calm.rl.datasets.dataset_files import write_rows

    settings, instructions = config.storm, config.storm.instructions
    train_file, val_file = Path(config.data.train_files), Path(config.data.val_files)
    if not train_file.exists() and train_file.is_relative_to(settings.out):
        if settings.problems:
            problems = list(read_problems(settings.problems))
            held = [problem.id for problem in problems if is_heldout(problem)]
            if held:
                raise ValueError(
                    f"{settings.problems}: {len(held)} of its problems are for measuring only (the families' held-out "
                    f"split, or a stress set), such as {held[0]!r}; leave them out"
                )
        else:
            families, seed = list(settings.families), int(settings.seed)
            problems = list(generate(families, split="train", seed=seed, limit=int(settings.count)))
        write_rows(train_file, rl_rows(problems, split="train", instructions=instructions), "verl-rl")
    if not val_file.exists() and val_file.is_relative_to(settings.out):
        problems = list(
            generate(list(settings.families), split="heldout", seed=int(settings.seed), limit=HELDOUT_PROBLEMS)
        )
        write_rows(val_file, rl_rows(problems, split="heldout", instructions=instructions), "verl-rl")


def _check_sandbox(settings: Any) -> None:
    """That rollouts will find a sandbox, and which."""
    from storm_calm.agents.runs.sandbox_options import SandboxOptions
    from storm_calm.sandbox import SandboxUnavailableError

    try:
        with SandboxOptions.of(settings).open_sandbox(workers=settings.workers) as sandbox:
            print(f"sandbox: {settings.sandbox}, isolation level {sandbox.isolation}", flush=True)
    except SandboxUnavailableError as error:
        raise ValueError(f"the sandbox cannot be opened: {error}") from error


def _validate(config: Any) -> None:
    """veRL's own look at the settings."""
    from verl.trainer.ppo.utils import need_critic, need_reference_policy
    from verl.utils.config import validate_config

    try:
        validate_config(
            config=config, use_reference_policy=need_reference_policy(config), use_critic=need_critic(config)
        )
    except (AssertionError, ValueError) as error:
        raise ValueError(f"veRL refuses the settings: {error}") from error


def _run(config: Any, out: Path, weights: int) -> None:
    """Start Ray and veRL's trainer, and wait for its end. weights: of the model."""
    _validate(config)
    os.environ["VERL_FILE_LOGGER_PATH"] = str(new_metrics_file(out))
    os.environ["TENSORBOARD_DIR"] = str(out / "tensorboard")
    if config.trainer.device == "cpu":
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)  # Unset, not empty: veRL asks Ray for a "GPU".
    import ray
    from verl.trainer.main_ppo import TaskRunnerV1, run_ppo

    try:
        with redirect_output(out, Path(os.environ["VERL_FILE_LOGGER_PATH"]), format_step):
            run_ppo(config, task_runner_class=TaskRunnerV1)
    except ray.exceptions.RayTaskError as error:
        cause = str(error.cause).strip() or type(error.cause).__name__
        raise ValueError(
            f"training ended early: {cause}{lack_of_room(out, weights)}. "
            "The same command goes on from the last checkpoint"
        ) from error
    finally:
        ray.shutdown()
        with suppress(OSError):  # A full disk, which must not hide what came before; they are gathered again.
            gather_metrics(out)


def format_step(step: int, figures: Mapping[str, float]) -> str:
    """What is shown of a step; all of it is in metrics.jsonl."""
    writing, acting = figures["storm/generation_seconds"], figures["storm/environment_seconds"]
    return (
        f"step {step}  accuracy {figures['storm/accuracy']:.3f}  programs {figures['storm/executions']:.2f}  "
        f"tokens {figures['storm/model_tokens']:.0f}  {figures['timing_s/step']:.1f} s "
        f"(generation {writing:.1f}, environment {acting:.1f})"
    )


if __name__ == "__main__":
    main()
