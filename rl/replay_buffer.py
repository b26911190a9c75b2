"""veRL's replay buffers, extended: groups with a failed rollout are replaced, and our metrics are added.

veRL calls `open_replay_buffer` by its name in the configuration (`trainer.v1.sampler.custom_sampler`), in all of its
modes: `sync`, `colocate_async` and `separate_async`.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any

import transfer_queue as tq
from verl.trainer.ppo.v1.replay_buffer import ReplayBuffer, ReplayBufferAsync

from storm_calm.rl.rollout.activity import Utilization
from storm_calm.rl.rollout.rollout_metrics import covered_seconds, last_failure, record_failure, step_metrics

POLL_INTERVAL = 0.05
"""Seconds between polls for finished rollouts. veRL's default of 2 is longer than a step of the nano model."""
MAX_LOST_BATCHES = 3
"""Training ends if this many batches' worth of groups are lost in one step."""
GRACE_SECONDS = 60.0
"""A rollout ends itself at its time limit. If it has not after this time more, its process is taken to be stuck."""


class InfrastructureError(RuntimeError):
    """So many rollouts failed for reasons outside of the policy that the rest would be a biased sample."""


def open_replay_buffer(*, trainer_mode: str, sampler_kwargs: Any, refill_fn: Any, **keywords: Any) -> ReplayBuffer:
    """Return the replay buffer of a trainer mode."""
    losses = Losses(out=Path(sampler_kwargs["out"]), batch=int(sampler_kwargs["batch"]), refill=refill_fn)
    deadline = float(sampler_kwargs["rollout_seconds"]) + GRACE_SECONDS
    keywords |= {"trainer_mode": trainer_mode, "refill_fn": losses.replace, "poll_interval": POLL_INTERVAL}
    if trainer_mode == "sync":
        return StormReplayBuffer(
            losses,
            deadline,
            sampler_kwargs={},
            sync_refill_failed_groups=True,
            gen_batch_size=1,
            train_batch_size=losses.batch,
            **keywords,
        )
    return StormReplayBufferAsync(losses, deadline, sampler_kwargs={}, **keywords)


class Losses:
    """Counts the groups that are lost in a step, and has them replaced."""

    def __init__(self, *, out: Path, batch: int, refill: Callable[[int], int]) -> None:
        """out: the run folder. batch: groups in a batch. refill: veRL's function, which starts other groups."""
        self.out, self.batch, self._refill = out, batch, refill
        self.failed = 0
        """Groups lost in this step, without those that were only too old."""

    def replace(self, count: int) -> int:
        return int(self._refill(count))

    def add(self, failed: int) -> None:
        """Raise InfrastructureError if too many groups are lost in one step."""
        self.failed += failed
        if self.failed >= MAX_LOST_BATCHES * self.batch:
            raise InfrastructureError(
                f"{self.failed} groups of rollouts were lost in one step, the last because: "
                f"{last_failure(self.out) or 'see the log'}. The last checkpoint is kept; repair the cause "
                "(for the sandbox see storm sandbox check), then run the same command again to resume from it"
            )


class _Replacing(ReplayBuffer):
    """Replaces each group of which a rollout failed or does not end, and adds metrics to each batch."""

    def __init__(self, losses: Losses, deadline: float, **keywords: Any) -> None:
        """deadline: seconds after which a running group is taken to be stuck."""
        self.losses = losses
        self._deadline = deadline
        self._running_since: dict[str, float] = {}
        self._stuck: set[str] = set()
        self._utilization = Utilization()
        self._sampled = monotonic()
        super().__init__(**keywords)

    def sample(self, global_steps: int, partition_id: str, batch_size: int) -> tuple[Any, dict[str, Any]]:
        """Return a batch of finished groups, and the metrics of its rollouts."""
        self.losses.failed = 0
        waiting = monotonic()
        batch, metrics = super().sample(global_steps, partition_id, batch_size)
        now = monotonic()
        data = tq.kv_batch_get(keys=batch.keys, partition_id=batch.partition_id, select_fields=["extra_fields"])
        extra = data.pop("extra_fields").tolist()
        rollouts = [fields["reward_extra_info"] for fields in extra]
        groups = [key.split("_")[0] for key in batch.keys]
        group_size = max(Counter(groups).values())
        started = (batch_size + self.losses.failed) * group_size
        ours = {
            **step_metrics(rollouts, groups),
            "storm/groups": float(len(set(groups))),
            # The fraction of started rollouts that cannot be scored.
            "storm/infrastructure": 1 - len(batch.keys) / started,
            # Wall seconds in which any rollout ran in the environment, or was being generated; the two overlap.
            "storm/environment_seconds": covered_seconds(span for fields in extra for span in fields["acting"]),
            "storm/generation_seconds": covered_seconds(span for fields in extra for span in fields["generating"]),
            # Of the time since the last batch: with a rollout in the environment, with one being generated, and without
            # the trainer waiting for rollouts.
            **{
                f"storm/utilization/{name}": share
                for name, share in self._utilization.shares([fields["activity"] for fields in extra]).items()
            },
            "storm/utilization/training": (waiting - self._sampled) / max(now - self._sampled, 1e-9),
        }
        self._sampled = now
        return batch, {**metrics, **ours}

    def _sync_metadata_from_transfer_queue(self) -> None:
        """Read veRL's metadata, and mark groups as failed that are stuck.

        A rollout ends itself at its time limit, unless its process hangs or is gone. veRL would wait for it forever.
        """
        super()._sync_metadata_from_transfer_queue()
        now = monotonic()
        running = {uid: part for part, uids in self.running_keys.items() for uid in uids}
        self._running_since = {uid: self._running_since.get(uid, now) for uid in running}
        self._stuck &= set(running)
        for uid, since in self._running_since.items():
            if now - since > self._deadline:
                if uid not in self._stuck:  # A group for validation stays, and would be recorded at every poll.
                    reason = f"a rollout did not end after {self._deadline:g} seconds"
                    record_failure({"out": str(self.losses.out)}, reason)
                    self._stuck.add(uid)
                self.running_keys[running[uid]].discard(uid)
                self.failure_keys[running[uid]].add(uid)

    def _terminal_eviction_reasons(self, global_steps: int, partition_id: str) -> Any:
        """Return veRL's eviction reasons, but with every group that lost a rollout instead of all of them.

        A rollout that runs no program survives a dead sandbox, so the rest of a group is a biased sample.
        """
        stale, alike, failed, counts = super()._terminal_eviction_reasons(global_steps, partition_id)
        return stale, alike, failed if partition_id == "val" else set(self.failure_keys[partition_id]), counts

    def _evict_terminal_groups(self, global_steps: int, partition_id: str, eviction_reasons: Any) -> Any:
        evicted = super()._evict_terminal_groups(global_steps, partition_id, eviction_reasons)
        self.losses.add(len(eviction_reasons[2]))
        return evicted


class StormReplayBuffer(_Replacing):
    """The replay buffer of the synchronous trainer."""


class StormReplayBufferAsync(_Replacing, ReplayBufferAsync):
    """The replay buffer of the asynchronous trainers, which also drops groups that are too old."""
