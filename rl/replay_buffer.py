"""veRL's buffer of rollouts, with what STORM needs of it: failed groups replaced, our metrics, no idle seconds.

veRL takes it by name from the configuration (`trainer.v1.sampler.custom_sampler`).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import transfer_queue as tq
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer

from storm_calm.rl.rollout.rollout_metrics import covered_seconds, last_failure, step_metrics

POLL_INTERVAL = 0.05
"""Seconds between two looks at what is finished; veRL's own 2 are longer than a step of a nano model."""
MAX_LOST_BATCHES = 3
"""As many groups as this many batches have may be lost in one step; then training ends."""


class InfrastructureError(RuntimeError):
    """The sandbox fails rollout after rollout; training on what is left would say nothing."""


class StormReplayBuffer(ReplayBuffer):
    """Groups of which the sandbox failed a rollout are left out, and replaced by others."""

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
        """A batch of finished groups, and the metrics of its rollouts."""
        self.lost = 0
        batch, metrics = super().sample(global_steps, partition_id, batch_size)
        data = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=["extra_fields"])
        extra = data.pop("extra_fields").tolist()
        rollouts = [fields["reward_extra_info"] for fields in extra]
        groups = [key.split("_")[0] for key in batch.keys]
        whole = max(Counter(groups).values())
        # Of all rollouts that were started, those that nobody can score.
        started = (batch_size + self.lost) * whole
        counted = {
            **step_metrics(rollouts, groups),
            "storm/infrastructure": 1 - len(batch.keys) / started,
            # Wall time in which any rollout was in the environment, or was being written; they overlap.
            "storm/environment_seconds": covered_seconds(span for fields in extra for span in fields["acting"]),
            "storm/generation_seconds": covered_seconds(span for fields in extra for span in fields["generating"]),
        }
        return batch, {**metrics, **counted}

    def _terminal_eviction_reasons(self, global_steps: int, partition_id: str) -> Any:
        """veRL's reasons to leave groups out, but all that lost a rollout, and not only those that lost each.

        A rollout that runs no program outlives a dead sandbox: what is left of a group is no fair sample of it.
        """
        stale, alike, failed, counts = super()._terminal_eviction_reasons(global_steps, partition_id)
        return stale, alike, failed if partition_id == "val" else set(self.failure_keys[partition_id]), counts

    def _refill(self, submit: Any) -> Any:
        """`submit`, until too many groups in a row were lost."""

        def refill(count: int) -> int:
            self.lost += count
            if self.lost >= MAX_LOST_BATCHES * self.batch:
                raise InfrastructureError(
                    f"{self.lost} groups of rollouts were lost to the sandbox in one step, the last because: "
                    f"{last_failure(self.out) or 'see the log'}. The last checkpoint is kept; mend the sandbox "
                    "(storm sandbox check says what is wrong), and run the same command again to go on from it"
                )
            return int(submit(count))

        return refill
