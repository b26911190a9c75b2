"""Supervised fine-tuning on golden runs, on veRL's own trainer, with the tokens and masks that curation recorded.

    storm train sft --device cpu --data runs/first/verl-sft.parquet --out runs/sft
    storm train sft --config sft_qwen3_4b_h100x8 --data runs/first/verl-sft.parquet --out runs/qwen-sft --dry-run

In a checkout, `python rl/train_sft.py` is the same command. By default it trains the embedded nano base model on what
`storm export runs/first --format verl-sft` wrote. The same command goes on where a run was stopped. Settings are
veRL's, and ours under `storm` (rl/config/sft.yaml); `key=value` changes one. `trainer.n_gpus_per_node` is the number of
processes, on processors too.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

if __name__ == "__main__" and not __package__:
    # As a script in a checkout: the path begins with the folder that holds storm_calm instead of this one.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from storm_calm.rl.preflight_checks import (
    check_checkpoints,
    check_disk,
    check_model,
    check_sft_data,
    count_weights,
    lack_of_room,
)
from storm_calm.rl.run_folder import claim_training_folder, gather_metrics, new_metrics_file
from storm_calm.rl.train_options import local_model, parse_options, parser_of


def main(words: Sequence[str] | None = None, *, name: str | None = None) -> None:
    """Run the command. words: its command line, by default the process's. name: what its help calls it."""
    words = sys.argv[1:] if words is None else words
    if list(words[:1]) == ["--worker"]:
        work(Path(words[1]))
        return
    defaults = {"cpu": "sft_nano_cpu", "cuda": "sft_nano_gpu"}
    parser = parser_of(__doc__, name or "python rl/train_sft.py")
    parser.add_argument("--data", help="golden runs: a Parquet file of `storm export --format verl-sft`")
    try:
        config, arguments = parse_options(
            parser, words, defaults, out="runs/sft", model="model.path", data="data.train_files"
        )
        train(config, dry_run=arguments.dry_run)
    except (ValueError, OSError) as error:
        sys.exit(f"train_sft: {error}")
    except KeyboardInterrupt:
        sys.exit("train_sft: stopped; the last checkpoint is kept. The same command goes on from it")


def train(config: Any, *, dry_run: bool = False) -> None:
    """Check everything, train, and write the trained model into the run's folder.

    Raises ValueError for what is wrong with the settings, the data, the model or the folder.
    """
    from omegaconf import OmegaConf

    out = Path(config.storm.out)
    if config.data.train_files is None:
        raise ValueError("no data: give --data FILE, made with `storm export RUN --format verl-sft`")
    config.data.train_files = str(Path(config.data.train_files).resolve())
    model = local_model(config.model)
    check_model(model, None)
    rows = check_sft_data(
        Path(config.data.train_files), vocabulary=vocabulary(model), longest=int(config.data.max_length)
    )
    steps = rows // config.data.train_batch_size * config.trainer.total_epochs
    if not steps:
        raise ValueError(
            f"{config.data.train_files}: {rows} rows, fewer than a batch; lower data.train_batch_size, which is "
            f"{config.data.train_batch_size}, or curate more"
        )
    print(f"{rows} golden runs, {config.trainer.total_epochs} epochs, {steps} steps", flush=True)
    if dry_run:
        print(OmegaConf.to_yaml(config, resolve=True))
        print("The settings are complete and fit together; nothing was started.")
        return
    resolved: Any = OmegaConf.to_container(config, resolve=True)
    with claim_training_folder(out, resolved):
        done = check_checkpoints(Path(config.trainer.default_local_dir))
        if done >= (config.trainer.total_training_steps or steps):
            print(f"{out}: all {done} steps are done already")
        else:
            weights = count_weights(model)
            check_disk(out, weights, config.trainer.max_ckpt_to_keep or 1)
            _run(config, out, weights)
        from storm_calm.rl.merge_checkpoint import finish

        finish(out, base=model, export=config.storm.export)


def vocabulary(model: Path) -> int:
    """How many tokens a checkpoint knows."""
    import json

    return int(json.loads((model / "config.json").read_text(encoding="utf-8"))["vocab_size"])


def _run(config: Any, out: Path, weights: int) -> None:
    """Start torchrun with this module as its workers, and wait for its end. weights: of the model."""
    from omegaconf import OmegaConf

    settings = out / "worker.yaml"
    OmegaConf.save(config, settings, resolve=True)
    processes = int(config.trainer.n_gpus_per_node)
    variables = {
        "VERL_FILE_LOGGER_PATH": str(new_metrics_file(out)),
        "TENSORBOARD_DIR": str(out / "tensorboard"),
        "OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // processes)),
    }
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    try:
        with (out / "log.txt").open("a", encoding="utf-8") as log:
            done = subprocess.run(
                [*command, "-m", "storm_calm.rl.train_sft", "--worker", str(settings)],
                env={**os.environ, **variables},
                stdout=log,
                stderr=subprocess.STDOUT,
                check=False,
            )
    finally:
        with suppress(OSError):  # A full disk, which must not hide what came before; they are gathered again.
            gather_metrics(out)
    if done.returncode:
        raise ValueError(
            f"training ended early with exit code {done.returncode}; {out / 'log.txt'} says why"
            f"{lack_of_room(out, weights)}"
        )
    steps = gather_metrics(out)
    print(f"loss {steps[0]['data']['train/loss']:.3f} -> {steps[-1]['data']['train/loss']:.3f}", flush=True)


def work(settings: Path) -> None:
    """Be one of torchrun's processes."""
    from omegaconf import OmegaConf
    from verl.trainer.sft_trainer import run_sft
    from verl.utils.device import auto_set_device

    config = OmegaConf.load(settings)
    auto_set_device(config)
    run_sft(config)


if __name__ == "__main__":
    main()
