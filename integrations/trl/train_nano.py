"""Train the nano model with TRL's GRPOTrainer, on the CPU: two steps take under a minute.

    python integrations/trl/train_nano.py
    python integrations/trl/train_nano.py --steps 20 --out runs/nano-trl

nano writes programs in its text, and its chat template renders no tools. So this script uses TRL's `rollout_func`
(`storm_trl.inline_rollouts`). For a model that calls tools, see the README.
"""

import argparse
import os
from pathlib import Path
from tempfile import mkdtemp

# TRL reports each run to the model hub otherwise, and looks for files there.
os.environ.update(HF_HUB_DISABLE_TELEMETRY="1", HF_HUB_OFFLINE="1", TRL_EXPERIMENTAL_SILENCE="1")

from transformers import PrinterCallback
from trl import GRPOConfig, GRPOTrainer

import storm_calm
from storm_calm.env.prompt_format import NANO, write_prompt_format
from storm_calm.sandbox import open_sandbox
from storm_trl import problem_dataset
from storm_trl.inline_rollouts import InlineRollouts, rollout_reward

NANO_BASE = Path(storm_calm.__file__).parent / "models" / "base"
CONTEXT = 1536
"""Tokens of nano's context."""


def train(*, steps: int, out: Path, prompts: int = 2, group: int = 4) -> GRPOTrainer:
    """Train nano on problems of the training split, and save it in `out`.

    prompts: problems of a step. group: rollouts of each.
    """
    problems = list(storm_calm.generate(["easy"], split="train", seed=7, limit=prompts * steps))
    with open_sandbox() as sandbox:
        trainer = GRPOTrainer(
            model=str(NANO_BASE),
            reward_funcs=rollout_reward,
            rollout_func=InlineRollouts(NANO_BASE, problems, sandbox, length=CONTEXT),
            train_dataset=problem_dataset(problems, instructions=NANO.system_prompt),
            args=GRPOConfig(
                output_dir=str(out),
                max_steps=steps,
                per_device_train_batch_size=prompts * group,
                num_generations=group,
                max_completion_length=CONTEXT,
                temperature=0.8,
                # 1e-6, as for models with billions of weights, would change two million weights too little.
                learning_rate=1e-4,
                beta=0.0,
                use_cpu=True,
                bf16=False,
                logging_steps=1,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
            ),
        )
        trainer.remove_callback(PrinterCallback)  # `main` prints what matters.
        trainer.train()
    trainer.save_model(str(out))
    write_prompt_format(out, NANO)
    return trainer


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the nano model with TRL's GRPOTrainer on the CPU.")
    parser.add_argument("--steps", type=int, default=2, help="training steps (default: 2)")
    parser.add_argument("--out", type=Path, help="folder of the trained model (default: a temporary one)")
    options = parser.parse_args()
    if options.steps < 1:
        parser.error(f"--steps: {options.steps} is below 1")
    out = options.out or Path(mkdtemp(prefix="nano-trl-"))
    for row in train(steps=options.steps, out=out).state.log_history:
        if "reward" in row:
            print(
                f"step {row['step']}: reward {row['reward']:.2f}, loss {row['loss']:.4f}, "
                f"{row['completions/mean_length']:.0f} sampled tokens a rollout, {row['step_time']:.1f} s"
            )
    print(f"The trained model: {out}")


if __name__ == "__main__":
    main()
