"""veRL's replay buffer, extended: groups with a sandbox failure are replaced, and our metrics are added.

veRL loads it by its name in the configuration (`trainer.v1.sampler.custom_sampler`).
"""

from collections import Counter
from pathlib import Path
from typing import Any

import transfer_queue as tq
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer

from storm_calm.rl.rollout.rollout_metrics import covered_seconds, last_failure, step_metrics

POLL_INTERVAL = 0.05
"""Seconds between polls for finished rollouts. veRL's default of 2 is longer than a step of the nano model."""
MAX_LOST_BATCHES = 3
"""Training ends if this many batches' worth of groups are lost in one step."""


class InfrastructureError(RuntimeError):
    """The sandbox failed so many rollouts that the rest would be a biased sample."""


class StormReplayBuffer(ReplayBuffer):
    """A replay buffer that drops and replaces each group in which the sandbox failed a rollout."""

    def __init__(self, *, sampler_kwargs: Any, refill_fn: Any, **keywords: Any) -> None:
        self.out = Path(sampler_kwargs["out"])
        self.batch = int(sampler_kwargs["batch"])
        self.lost = 0
        super().__init__(
            poll_interval=POLL_INTERVAL,
            sampler_kwargs={},
            refill_fn=self._refill(refill_fn),
            sync_refill_failed_groups=True,
            gen_batch_size=1,
            train_batch_size=self.batch,
            **keywords,
        )

    def sample(self, global_steps: int, partition_id: str, batch_size: int) -> tuple[Any, dict[str, Any]]:
        """Return a batch of finished groups, and the metrics of its rollouts."""
        self.lost = 0
        batch, metrics = super().sample(global_steps, partition_id, batch_size)
        data = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=["extra_fields"])
        extra = data.pop("extra_fields").tolist()
        rollouts = [fields["reward_extra_info"] for fields in extra]
        groups = [key.split("_")[0] for key in batch.keys]
        group_size = max(Counter(groups).values())
        started = (batch_size + self.lost) * group_size
        ours = {
            **step_metrics(rollouts, groups),
            # The fraction of started rollouts that cannot be scored.
            "storm/infrastructure": 1 - len(batch.keys) / started,
            # Wall seconds in which any rollout ran in the environment, or was being generated; the two overlap.
            "storm/environment_seconds": covered_seconds(span for fields in extra for span in fields["acting"]),
            "storm/generation_seconds": covered_seconds(span for fields in extra for span in fields["generating"]),
        }
        return batch, {**metrics, **ours}

    def _terminal_eviction_reasons(self, global_steps: int, partition_id: str) -> Any:
        """Return veRL's eviction reasons, but with every group that lost a rollout instead of all of them.

        A rollout that runs no program survives a dead sandbox, so the rest of a group is a biased sample.
        """
        stale, alike, failed, counts = super()._terminal_eviction_reasons(global_steps, partition_id)
        return stale, alike, failed if partition_id == "val" else set(self.failure_keys[partition_id]), counts

    def _refill(self, submit: Any) -> Any:
        """Wrap veRL's refill function to raise InfrastructureError if too many groups are lost in one step."""

        def refill(count: int) -> int:
            self.lost += count
            if self.lost >= MAX_LOST_BATCHES * self.batch:
                raise InfrastructureError(
                    f"{self.lost} groups of rollouts were lost to the sandbox in one step, the last because: "
                    f"{last_failure(self.out) or 'see the log'}. The last checkpoint is kept; repair the sandbox "
                    "(see storm sandbox check), then run the same command again to resume from it"
                )
            return int(submit(count))

        return refill
