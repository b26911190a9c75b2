"""Supervised fine-tuning on golden trajectories with veRL's trainer, using the recorded token ids and loss masks.

    storm train sft --device cpu --data runs/first/verl-sft.parquet --out runs/sft
    storm train sft --config sft_qwen3_4b_h100x8 --data runs/first/verl-sft.parquet --out runs/qwen-sft --dry-run

In a checkout, `python rl/train_sft.py` is the same command. The data come from
`storm export runs/first --format verl-sft`. The default model is the built-in nano base model. Running the same
command again resumes a stopped run. Settings are veRL's, and ours under `storm` (rl/config/sft.yaml); `key=value`
changes one. `trainer.n_gpus_per_node` is the number of processes, also on CPUs.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

if __name__ == "__main__" and not __package__:
    # Run as a script in a checkout: import storm_calm from the checkout.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from storm_calm.env.prompt_format import write_prompt_format
from storm_calm.rl.metric_loggers import check_loggers, logger_environment
from storm_calm.rl.preflight_checks import check_model, check_sft_data, is_nano, lack_of_room, vocabulary_size
from storm_calm.rl.prompt_formats import sft_prompt_format
from storm_calm.rl.run_folder import claim_training_folder, gather_metrics, new_metrics_file
from storm_calm.rl.train_options import (
    end_dry_run,
    is_on_hub,
    local_model,
    parser_of,
    run_command,
    train_in_folder,
)


def main(words: Sequence[str] | None = None, *, name: str | None = None) -> None:
    """Run the command. words: the command line (default: the process's). name: the command's name in its help."""
    words = sys.argv[1:] if words is None else words
    if list(words[:1]) == ["--worker"]:
        work(Path(words[1]))
        return
    parser = parser_of(__doc__, name or "python rl/train_sft.py")
    parser.add_argument("--data", help="golden trajectories: a Parquet file of `storm export --format verl-sft`")
    defaults = {"cpu": "sft_nano_cpu", "cuda": "sft_nano_gpu"}
    settings = {"model": "model.path", "data": "data.train_files"}
    run_command(train, "train_sft", parser, words, defaults, out="runs/sft", **settings)


def train(config: Any, *, dry_run: bool = False) -> None:
    """Check everything, train, and write the trained model into the run folder.

    Raises ValueError for invalid settings, data, model or run folder.
    """
    from omegaconf import OmegaConf

    out = Path(config.storm.out)
    if config.data.train_files is None:
        raise ValueError("no data: give --data FILE, made with `storm export RUN --format verl-sft`")
    check_loggers(config.trainer.logger)
    config.data.train_files = str(Path(config.data.train_files).resolve())
    if dry_run and is_on_hub(config.model):
        end_dry_run(config, config.model)
        print("The settings are valid; nothing was started.")
        return
    model = local_model(config.model)
    prompt_format = sft_prompt_format(model, Path(config.data.train_files))
    check_model(model, prompt_format)
    file, longest = Path(config.data.train_files), int(config.data.max_length)
    rows = check_sft_data(file, vocabulary=vocabulary_size(model), longest=longest)
    steps = rows // config.data.train_batch_size * config.trainer.total_epochs
    if not steps:
        raise ValueError(
            f"{file}: {rows} rows, fewer than a batch; lower data.train_batch_size="
            f"{config.data.train_batch_size}, or curate more problems"
        )
    print(f"{rows} golden trajectories, {config.trainer.total_epochs} epochs, {steps} steps", flush=True)
    if config.storm.export and not is_nano(model):
        print(
            f"note: the settings are for nano models, and {model} is another one: learning rate {config.optim.lr:g}, "
            "an export for the nano reasoner. Set optim.lr=1e-5 storm.export=false, or your own --config",
            flush=True,
        )
    if dry_run:
        end_dry_run(config, config.model)
        print("The settings are valid; nothing was started.")
        return
    resolved: Any = OmegaConf.to_container(config, resolve=True)
    with claim_training_folder(out, resolved):
        if prompt_format is not None:
            write_prompt_format(out, prompt_format)
        steps = config.trainer.total_training_steps or steps
        train_in_folder(config, out, model, steps=steps, checkpoints=config.trainer.max_ckpt_to_keep or 1, run=_run)


def _run(config: Any, out: Path, weights: int) -> None:
    """Run torchrun with this module as its worker. weights: the number of weights of the model."""
    from omegaconf import OmegaConf

    settings = out / "worker.yaml"
    OmegaConf.save(config, settings, resolve=True)
    processes = int(config.trainer.n_gpus_per_node)
    variables = {
        "VERL_FILE_LOGGER_PATH": str(new_metrics_file(out)),
        **logger_environment(config.trainer.logger, out),
        "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // processes)),
    }
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    try:
        with (out / "log.txt").open("a", encoding="utf-8") as log:
            process = subprocess.run(
                [*command, "-m", "storm_calm.rl.train_sft", "--worker", str(settings)],
                env={**os.environ, **variables},
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
    finally:
        with suppress(OSError):  # A full disk must not replace the error of the training itself.
            gather_metrics(out)
    if process.returncode:
        raise ValueError(
            f"training ended early with exit code {process.returncode}; see {out / 'log.txt'}"
            f"{lack_of_room(out, weights)}"
        )
    steps = gather_metrics(out)
    print(f"loss {steps[0]['data']['train/loss']:.3f} -> {steps[-1]['data']['train/loss']:.3f}", flush=True)


def work(settings: Path) -> None:
    """Run as one of torchrun's worker processes."""
    from omegaconf import OmegaConf
    from verl.trainer.sft_trainer import run_sft
    from verl.utils.device import auto_set_device

    config = OmegaConf.load(settings)
    auto_set_device(config)
    run_sft(config)


if __name__ == "__main__":
    main()
