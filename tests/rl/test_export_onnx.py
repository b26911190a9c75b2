"""The ONNX export of a checkpoint, which runs without torch."""

import shutil
import subprocess
import sys

import pytest

from storm_calm.agents.reasoners import built_in
from storm_calm.agents.reasoners.nano import Nano
from storm_calm.env.reasoner import Sampling

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("onnxruntime_genai")

from storm_calm.rl.nano import export_onnx as module  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]  # An export imports torch in two subprocesses.


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Random weights in the shape of a small nano model, with the real tokenizer."""
    folder = tmp_path_factory.mktemp("checkpoint")
    base = built_in("nano-base")
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    config = transformers.Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=96, intermediate_size=192, num_hidden_layers=2, num_attention_heads=3,
        num_key_value_heads=3, head_dim=32, max_position_embeddings=2048, tie_word_embeddings=True, rope_theta=10000.0,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=0, bos_token_id=None,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    for name in ("generation_config.json", "chat_template.jinja", "tokenizer_config.json"):
        shutil.copyfile(base / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def exported(checkpoint, tmp_path_factory):
    out = tmp_path_factory.mktemp("exported") / "model"
    command = [sys.executable, "-m", "storm_calm.rl.nano.export_onnx", str(checkpoint), str(out)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "logits differ by at most" in result.stdout
    return out


def test_the_exported_model_writes(exported):
    nano = Nano(exported)
    prompt = nano.render([{"role": "user", "content": "How many?"}])
    assert nano.generate(prompt, stop=(), max_tokens=8, sampling=Sampling(seed=1)).ids
    assert nano.sampling == Nano(built_in("nano-base")).sampling


def test_a_weight_takes_two_bytes(exported, checkpoint):
    weights = sum(
        parameter.numel() for parameter in transformers.AutoModelForCausalLM.from_pretrained(checkpoint).parameters()
    )
    assert (exported / "model.onnx.data").stat().st_size < 2 * weights + 20_000


def test_no_file_names_a_path_of_this_machine(exported, checkpoint):
    for file in exported.iterdir():
        content = file.read_bytes()
        assert str(checkpoint).encode() not in content
        assert b"nano-export-" not in content


def test_a_path_of_this_machine_is_refused(tmp_path):
    (tmp_path / "config.json").write_text('{"made from": "/somewhere/private/checkpoint"}')
    with pytest.raises(ValueError, match=r"config\.json contains /somewhere/private"):
        module._check_paths(tmp_path, (module.Path("/somewhere/private"),))


def test_logits_that_differ_are_refused_and_nothing_is_written(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "TOLERANCE", 0.0)
    with pytest.raises(ValueError, match="a logit differs by"):
        module.export(checkpoint, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_without_its_tokenizer_is_refused(checkpoint, tmp_path):
    shutil.copyfile(checkpoint / "config.json", tmp_path / "config.json")
    with pytest.raises(ValueError, match=r"tokenizer\.json is missing"):
        module.export(tmp_path, tmp_path / "out")


def test_a_missing_package_is_named_with_the_extra(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ValueError, match=r"onnx cannot be imported .*pip install 'storm-calm\[nano\]'"):
        module.export(checkpoint, tmp_path / "out")
