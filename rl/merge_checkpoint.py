"""Merge veRL's sharded checkpoint into a transformers folder, and export it for the nano reasoner.

python -m storm_calm.rl.merge_checkpoint runs/grpo

A LoRA adapter is merged into the base model's weights, so the folder is a plain model, and kept in `lora_adapter/`.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from storm_calm.env.prompt_format import read_prompt_format, write_prompt_format
from storm_calm.rl.compose import environment

TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "chat_template.json",
    "generation_config.json",
)
"""Files copied unchanged from the base model, if it has them."""
ADAPTER = "lora_adapter"
"""The folder of the adapter in the model's folder, named by veRL."""


def finish(out: Path, *, base: Path, export: bool) -> None:
    """Write `out`/model from the last checkpoint and, with `export`, `out`/nano, unless they are up to date.

    The model records the prompt format of the run, see `rl.prompt_formats`.
    """
    tracker = out / "checkpoints" / "latest_checkpointed_iteration.txt"
    if not tracker.is_file():
        print(f"{out}: no checkpoint was saved, so no model is written; set trainer.save_freq", flush=True)
        return
    step = tracker.read_text(encoding="utf-8").strip()
    model = out / "model"
    stamp = model / "step.txt"
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != step:
        merge(out / "checkpoints" / f"global_step_{step}", model, base=base)
        prompt_format = read_prompt_format(out) or read_prompt_format(base)
        if prompt_format is not None:
            write_prompt_format(model, prompt_format)
        stamp.write_text(step, encoding="utf-8")
        shutil.rmtree(out / "nano", ignore_errors=True)
    print(f"{model}: the model after step {step}", flush=True)
    if export and not (out / "nano" / "model.onnx").is_file():
        from storm_calm.rl.nano.export_onnx import export as write_nano

        difference = write_nano(model, out / "nano")
        print(f"{out / 'nano'}: for --reasoner; logits differ by at most {difference:.1g} from torch's", flush=True)


def merge(checkpoint: Path, model: Path, *, base: Path) -> None:
    """Merge the shards of a veRL checkpoint into the folder `model`. Raises ValueError if veRL's merger fails."""
    shards = checkpoint / "actor" if (checkpoint / "actor").is_dir() else checkpoint
    draft = model.with_name(f"{model.name}.part")
    shutil.rmtree(draft, ignore_errors=True)
    options = ["--backend", "fsdp", "--local_dir", str(shards), "--target_dir", str(draft)]
    process = subprocess.run(
        [sys.executable, "-m", "verl.model_merger", "merge", *options],
        env={**os.environ, **environment("cpu")},
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode:
        lines = process.stderr.strip().splitlines() or ["no reason given"]
        raise ValueError(f"{shards}: cannot be merged: {lines[-1]}")
    for name in TOKENIZER:
        if (base / name).is_file():
            shutil.copyfile(base / name, draft / name)
    if (draft / ADAPTER).is_dir():
        merge_adapter(draft / ADAPTER, draft, base=base)
    shutil.rmtree(model, ignore_errors=True)
    draft.rename(model)


def merge_adapter(adapter: Path, model: Path, *, base: Path) -> None:
    """Replace the weights in the folder `model` by those of `base` with a LoRA adapter merged in.

    The sum is computed in 32 bits and stored in the base model's precision.
    """
    import torch
    from peft import PeftModel
    from transformers import AutoConfig, AutoModelForCausalLM

    # veRL leaves the name of the base model out.
    file = adapter / "adapter_config.json"
    settings = json.loads(file.read_text(encoding="utf-8")) | {"base_model_name_or_path": str(base)}
    file.write_text(json.dumps(settings, indent=2), encoding="utf-8")
    for weights in model.glob("*.safetensors*"):
        weights.unlink()
    plain: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    merged: Any = PeftModel.from_pretrained(plain, str(adapter)).merge_and_unload()
    merged.to(AutoConfig.from_pretrained(base).dtype or torch.float32).save_pretrained(model)


def main() -> None:
    import yaml

    parser = argparse.ArgumentParser(description="Write the model of a training run's last checkpoint.")
    parser.add_argument("out", type=Path, help="run folder of a training run")
    arguments = parser.parse_args()
    file = arguments.out / "config.yaml"
    if not file.is_file():
        raise SystemExit(f"{file}: no such file; give the run folder of a training run")
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    section = config.get("actor_rollout_ref", config)["model"]
    try:
        finish(arguments.out, base=Path(section["path"]), export=config["storm"]["export"])
    except ValueError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
