"""Configurations: veRL's defaults, our settings, and errors for mistakes."""

import functools

import pytest

from storm_calm.rl.compose import compose, environment, names

pytestmark = pytest.mark.slow


@functools.cache
def composed(name):
    """Return a configuration of ours; to compose one takes a second."""
    return compose(name, ["storm.out=x"])


def test_every_configuration_is_complete_and_named():
    assert {"grpo_nano_cpu", "grpo_nano_gpu", "grpo_qwen3_4b_h100x8", "sft_nano_cpu", "sft_qwen3_4b_h100x8"} <= set(
        names()
    )
    for name in names():
        assert composed(name).trainer.default_local_dir == "x/checkpoints"


def test_the_configuration_has_the_published_settings():
    config = composed("grpo_qwen3_4b_h100x8")
    rollout, actor = config.actor_rollout_ref.rollout, config.actor_rollout_ref.actor
    assert (config.storm.max_executions, config.algorithm.adv_estimator) == (4, "grpo")
    assert (rollout.n, rollout.temperature, rollout.top_p, rollout.name) == (8, 0.6, 0.95, "vllm")
    assert (actor.optim.lr, actor.kl_loss_coef, actor.kl_loss_type) == (1e-6, 0.001, "low_var_kl")
    assert (config.data.train_batch_size, actor.ppo_mini_batch_size) == (128, 64)
    assert rollout.max_model_len == config.data.max_prompt_length + config.data.max_response_length


def test_cpu_and_gpu_configurations_differ_only_in_the_device():
    cpu, gpu = composed("grpo_nano_cpu"), composed("grpo_nano_gpu")
    assert (cpu.trainer.device, gpu.trainer.device) == ("cpu", "cuda")
    assert cpu.storm == gpu.storm
    assert cpu.algorithm == gpu.algorithm
    assert cpu.actor_rollout_ref.actor.optim == gpu.actor_rollout_ref.actor.optim


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "trainer.total_steps=3",
            r"unknown setting 'trainer\.total_steps'; did you mean .*trainer\.total_training_steps",
        ),
        ("actor_rollout_ref.rollout.temprature=1", r"did you mean actor_rollout_ref\.rollout\.temperature"),
        ("max_executions=2", r"did you mean .*storm\.max_executions"),
        ("trainer.total_training_steps", "is not key=value"),
        ("data.train_batch_size=[1", "data.train_batch_size"),
    ],
)
def test_error_for_a_wrong_override_suggests_the_right_one(override, message):
    with pytest.raises(ValueError, match=message):
        compose("grpo_nano_cpu", ["storm.out=x", override])


def test_error_for_an_unknown_configuration_lists_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match=r"'nano' is unknown; .* grpo_nano_cpu, .*grpo_qwen3_4b_h100x8"):
        compose("nano", [])
    with pytest.raises(ValueError, match=r"mine\.yaml: no such file"):
        compose(str(tmp_path / "mine.yaml"), [])


def test_a_user_configuration_can_extend_ours(tmp_path):
    (tmp_path / "mine.yaml").write_text("defaults: [grpo_nano_cpu, _self_]\nstorm:\n  max_executions: 2\n")
    config = compose(str(tmp_path / "mine.yaml"), ["storm.out=x", "storm.seed=9"])
    assert (config.storm.max_executions, config.storm.seed, config.trainer.device) == (2, 9, "cpu")


def test_telemetry_is_off():
    values = environment("cpu")
    assert values["RAY_USAGE_STATS_ENABLED"] == "0"
    assert values["HF_HUB_DISABLE_TELEMETRY"] == "1"
    assert values["VERL_PLATFORM"] == "cpu"
    assert "VERL_PLATFORM" not in environment("cuda")
