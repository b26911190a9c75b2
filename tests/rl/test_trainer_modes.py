"""Settings that do not fit the trainer mode are errors before any worker starts."""

import pytest

from storm_calm.rl.compose import compose
from storm_calm.rl.trainer_modes import MODES, check_trainer_mode

SEPARATE = "grpo_nano_cpu_separate_async"


@pytest.mark.parametrize(
    "name",
    [
        *("grpo_nano_cpu", "grpo_nano_gpu", "grpo_nano_cpu_colocate_async", SEPARATE),
        *("grpo_qwen3_4b_h100x8", "grpo_qwen3_4b_h100x8_separate_async"),
    ],
)
def test_the_built_in_configurations_fit(name):
    config = compose(name, ["storm.out=x"])
    check_trainer_mode(config)
    assert config.trainer.v1.trainer_mode in MODES


def test_slow_rollouts_may_continue_in_the_next_step_with_any_configuration():
    check_trainer_mode(compose("grpo_nano_cpu", ["storm.out=x", "trainer.v1.trainer_mode=colocate_async"]))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("grpo_nano_cpu", "trainer.v1.trainer_mode=async", "give one of sync, colocate_async, separate_async"),
        ("grpo_nano_cpu", "storm.rollout_seconds=0", "give a positive number of seconds"),
        ("grpo_nano_cpu", "actor_rollout_ref.hybrid_engine=false", "trainer_mode=sync without generation"),
        ("grpo_nano_cpu", "trainer.v1.trainer_mode=separate_async", "parameter_sync_step=4"),
        (SEPARATE, "data.train_batch_size=16", "must be actor.ppo_mini_batch_size=8 times"),
        (SEPARATE, "actor_rollout_ref.rollout.nnodes=0", "at least one of its own"),
        (SEPARATE, "actor_rollout_ref.rollout.checkpoint_engine.backend=naive", "nccl on GPUs, or ray on CPUs"),
    ],
)
def test_settings_that_do_not_fit_are_errors(name, change, message):
    with pytest.raises(ValueError, match=message):
        check_trainer_mode(compose(name, ["storm.out=x", change]))
