"""Export a transformers checkpoint (Qwen3) to the ONNX folder that the nano reasoner runs.

    python -m storm_calm.rl.nano.export_onnx runs/nano/checkpoint models/nano/base
    python -m storm_calm.rl.nano.export_onnx runs/grpo/model models/nano/storm --with-checkpoint

onnxruntime-genai's model builder makes the graph. Then weights are stored in 16 bits and the rotary embedding as a
formula, which halves the size. onnxruntime converts both when it loads the model, and still computes in 32 bits. The
folder is written only if its logits match torch's on a sample. Needs the extra `nano` (torch).
"""

import argparse
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from storm_calm.agents.reasoners.engine import Engine
from storm_calm.env.prompt_format import NANO, read_prompt_format, write_prompt_format

TOLERANCE = 1e-3
"""Largest allowed difference of a logit between torch and onnxruntime."""
WEIGHTS = "model.onnx.data"
COPIED = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json")
SAMPLE_TOKENS = 200


def export(checkpoint: Path, out: Path, *, with_checkpoint: bool = False) -> float:
    """Write `out` from `checkpoint`, and return the largest difference of a logit from torch's.

    with_checkpoint: also copy the checkpoint, in 16 bits, so that training can continue from this folder.
    Raises ValueError if a file of the checkpoint or a package is missing, if logits differ by more than `TOLERANCE`,
    and if a file contains a path of this machine. Files with other names in `out` are kept.
    """
    for package in ("torch", "transformers", "onnx", "onnxruntime_genai"):
        try:
            importlib.import_module(package)
        except ImportError as error:
            raise ValueError(f"{package} cannot be imported ({error}): pip install 'storm-calm[nano]'") from error
    for name in ("config.json", *COPIED):
        if not (checkpoint / name).is_file():
            raise ValueError(f"{checkpoint}: {name} is missing; save model and tokenizer with save_pretrained")
    with tempfile.TemporaryDirectory(prefix="nano-export-") as folder:
        rounded, built, done = (Path(folder) / name for name in ("rounded", "built", "done"))
        model = _round(checkpoint, rounded)
        _build(rounded, built, Path(folder) / "cache")
        done.mkdir()
        _shrink(built, done, frequencies=model.model.rotary_emb.inv_freq.numpy())
        for name in COPIED:
            shutil.copyfile(checkpoint / name, done / name)
        write_prompt_format(done, read_prompt_format(checkpoint) or NANO)
        shutil.copyfile(built / "genai_config.json", done / "genai_config.json")
        if with_checkpoint:
            for name in ("config.json", "model.safetensors"):
                shutil.copyfile(rounded / name, done / name)
        difference = compare(model, done)
        if not difference <= TOLERANCE:
            raise ValueError(f"{checkpoint}: a logit differs by {difference:.2g} between torch and onnxruntime")
        _check_paths(done, (Path(folder), checkpoint, out, Path.cwd()))
        out.mkdir(parents=True, exist_ok=True)
        for file in done.iterdir():
            shutil.copyfile(file, out / file.name)
    return difference


def compare(model: Any, folder: Path) -> float:
    """Return the largest difference of a logit between a torch model and the one in `folder`, on random tokens.

    Half of the tokens are a prefill and the rest are decoded one by one, so the KV cache is compared as well.
    """
    import torch

    ids = np.random.default_rng(0).integers(0, model.config.vocab_size, SAMPLE_TOKENS)
    with torch.no_grad():
        expected = model(input_ids=torch.tensor(ids)[None]).logits[0].numpy()
    differences: list[float] = []
    engine = Engine(folder)
    with engine.caches.lease(ids.tolist()) as cache:
        for end in range(SAMPLE_TOKENS // 2, SAMPLE_TOKENS + 1):
            logits = cache.forward(ids[cache.length : end].tolist())
            differences.append(float(np.abs(logits - expected[end - 1]).max()))
    return max(differences)


def _round(checkpoint: Path, rounded: Path) -> Any:
    """Write the checkpoint with 16-bit weights, and return the model with these weights in 32 bits."""
    import torch
    from transformers import AutoModelForCausalLM

    shutil.copytree(checkpoint, rounded, ignore=shutil.ignore_patterns("*.safetensors", "*.bin", "*.pt"))
    model = AutoModelForCausalLM.from_pretrained(checkpoint, local_files_only=True, dtype=torch.float16)
    model.save_pretrained(rounded)
    # Loaded again, since converting this object would keep its rounded buffers (rotary frequencies).
    return AutoModelForCausalLM.from_pretrained(rounded, local_files_only=True, dtype=torch.float32).eval()


def _build(rounded: Path, built: Path, cache: Path) -> None:
    command = [sys.executable, "-m", "onnxruntime_genai.models.builder", "-p", "fp32", "-e", "cpu"]
    command += ["-i", str(rounded), "-o", str(built), "-c", str(cache)]
    environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1", "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise ValueError(f"onnxruntime-genai's model builder failed:\n{result.stderr[-4000:]}")


def _shrink(built: Path, done: Path, *, frequencies: np.ndarray) -> None:
    """Write the graph with 16-bit weights, and with formulas for the cosines and sines of the rotary embedding.

    frequencies: those of the rotary embedding, shape (head size / 2,), in radians per position.
    """
    import onnx
    from onnx import TensorProto, external_data_helper, helper, numpy_helper

    model = onnx.load(built / "model.onnx")
    graph = model.graph
    kept, nodes, context = [], [], 0
    for tensor in graph.initializer:
        values = numpy_helper.to_array(tensor)
        if tensor.name in ("cos_cache", "sin_cache"):
            context = len(values)
            continue
        half = values.astype(np.float16)
        if values.dtype == np.float32 and np.array_equal(half.astype(np.float32), values):
            kept.append(numpy_helper.from_array(half, tensor.name + ".half"))
            nodes.append(helper.make_node("Cast", [tensor.name + ".half"], [tensor.name], to=TensorProto.FLOAT))
        else:
            kept.append(tensor)
    for name, value in (
        ("first", np.float32(0)),
        ("last", np.float32(context)),
        ("one", np.float32(1)),
        ("columns", np.array([1], dtype=np.int64)),
        ("frequencies", frequencies[None]),
    ):
        kept.append(numpy_helper.from_array(np.asarray(value), f"rotary.{name}"))
    nodes += [
        helper.make_node("Range", ["rotary.first", "rotary.last", "rotary.one"], ["rotary.range"]),
        helper.make_node("Unsqueeze", ["rotary.range", "rotary.columns"], ["rotary.positions"]),
        helper.make_node("Mul", ["rotary.positions", "rotary.frequencies"], ["rotary.angles"]),
        helper.make_node("Cos", ["rotary.angles"], ["cos_cache"]),
        helper.make_node("Sin", ["rotary.angles"], ["sin_cache"]),
    ]
    nodes += graph.node
    for node in nodes:
        node.doc_string = ""
    del graph.initializer[:], graph.node[:], model.metadata_props[:], graph.metadata_props[:]
    graph.initializer.extend(kept)
    graph.node.extend(nodes)
    external_data_helper.convert_model_to_external_data(model, location=WEIGHTS, size_threshold=1024)
    onnx.save(model, done / "model.onnx")


def _check_paths(folder: Path, paths: tuple[Path, ...]) -> None:
    """Raise ValueError if a file contains one of `paths` or the home folder, since the folder may be published."""
    for file in folder.iterdir():
        content = file.read_bytes()
        for path in (*paths, Path.home()):
            name = str(path.resolve())
            if len(name) > 5 and name.encode() in content:
                raise ValueError(f"{file.name} contains {name}, a path of this machine")


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the nano reasoner's folder from a transformers checkpoint.")
    parser.add_argument("checkpoint", type=Path, help="folder of a Qwen3 checkpoint with its tokenizer")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--with-checkpoint", action="store_true", help="also copy the checkpoint, in 16 bits")
    arguments = parser.parse_args()
    try:
        difference = export(arguments.checkpoint, arguments.out, with_checkpoint=arguments.with_checkpoint)
    except ValueError as error:
        raise SystemExit(str(error)) from error
    size = sum(file.stat().st_size for file in arguments.out.iterdir() if file.is_file())
    print(f"{arguments.out}: {size / 1e6:.2f} MB; logits differ by at most {difference:.1g} from torch's")


if __name__ == "__main__":
    main()
