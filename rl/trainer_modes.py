"""Check the settings of veRL's trainer modes, which veRL itself checks only in its workers, with assertions.

sync              generation and training take turns
colocate_async    the same, but slow rollouts continue in the next step
separate_async    generation runs on devices of its own, beside training
"""

from typing import Any

MODES = ("sync", "colocate_async", "separate_async")


def check_trainer_mode(config: Any) -> None:
    """Raise ValueError if the settings do not fit the trainer mode, or if rollouts have no time limit."""
    mode, rollout = config.trainer.v1.trainer_mode, config.actor_rollout_ref.rollout
    if mode not in MODES:
        raise ValueError(f"trainer.v1.trainer_mode is {mode!r}; give one of {', '.join(MODES)}")
    if not config.storm.rollout_seconds > 0:
        raise ValueError(f"storm.rollout_seconds is {config.storm.rollout_seconds}; give a positive number of seconds")
    if mode != "separate_async":
        if not config.actor_rollout_ref.hybrid_engine:
            raise ValueError(f"actor_rollout_ref.hybrid_engine=false leaves trainer_mode={mode} without generation")
        return
    updates, small = config.trainer.v1.separate_async.parameter_sync_step, config.actor_rollout_ref.actor
    if config.data.train_batch_size != updates * small.ppo_mini_batch_size:
        raise ValueError(
            f"data.train_batch_size={config.data.train_batch_size} must be actor.ppo_mini_batch_size="
            f"{small.ppo_mini_batch_size} times trainer.v1.separate_async.parameter_sync_step={updates}"
        )
    if not rollout.nnodes > 0 or not rollout.n_gpus_per_node > 0:
        raise ValueError(
            f"generation has actor_rollout_ref.rollout.nnodes={rollout.nnodes} nodes with n_gpus_per_node="
            f"{rollout.n_gpus_per_node} devices; trainer_mode=separate_async needs at least one of its own"
        )
    if rollout.checkpoint_engine.backend == "naive":
        raise ValueError(
            "actor_rollout_ref.rollout.checkpoint_engine.backend=naive sends weights only within a process; "
            "trainer_mode=separate_async needs nccl on GPUs, or ray on CPUs"
        )
