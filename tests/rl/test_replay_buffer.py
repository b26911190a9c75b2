"""Groups with a failed, stuck or outdated rollout are replaced, in all modes of the trainer."""

import pytest
import transfer_queue as tq
from verl.trainer.ppo.v1.replay_buffer import ReplayBufferAsync

from storm_calm.rl import replay_buffer
from storm_calm.rl.replay_buffer import GRACE_SECONDS, MAX_LOST_BATCHES, InfrastructureError, open_replay_buffer
from storm_calm.rl.rollout.rollout_metrics import last_failure, record_failure

MODES = ("sync", "colocate_async", "separate_async")


@pytest.fixture
def queue(monkeypatch):
    """The metadata of a TransferQueue: partition, key, tag. Values are not needed here."""
    stored = {"train": {}}

    def clear(keys, partition_id):
        for key in keys:
            stored[partition_id].pop(key, None)

    monkeypatch.setattr(tq, "kv_list", lambda: stored)
    monkeypatch.setattr(tq, "kv_clear", clear)
    return stored["train"]


@pytest.fixture
def clock(monkeypatch):
    """The time that the buffer sees."""
    now = [1000.0]
    monkeypatch.setattr(replay_buffer, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def open_buffer(tmp_path):
    """A function that opens the replay buffer of a mode, for batches of 4; `submitted` has the replaced groups."""

    def open_buffer(mode, threshold=8):
        submitted = []
        buffer = open_replay_buffer(
            trainer_mode=mode,
            trainer_config={},
            max_off_policy_threshold=threshold,
            max_off_policy_strategy="drop",
            sampler_kwargs={"out": str(tmp_path), "batch": 4, "rollout_seconds": 100.0},
            refill_fn=lambda count: submitted.append(count) or count,
        )
        return buffer, submitted

    return open_buffer


def group(status, step=3):
    return {"is_prompt": True, "status": status, "global_steps": step}


def evict(buffer, step=3):
    """Run veRL's loop once: read the queue, and drop what cannot be trained on."""
    buffer._sync_metadata_from_transfer_queue()
    reasons = buffer._terminal_eviction_reasons(step, "train")
    return buffer._evict_terminal_groups(step, "train", reasons)[0]


@pytest.mark.parametrize("mode", MODES)
def test_a_group_with_a_failure_is_dropped_completely(mode, queue, open_buffer):
    buffer, _ = open_buffer(mode)
    # One of them still has a rollout, which ran no program.
    queue |= {"whole": group("finished"), "some": group("failure"), "none": group("failure")}
    queue |= {"whole_0_0": {"status": "success"}, "some_1_0": {"status": "success"}}
    assert evict(buffer) == {"some", "none"}
    assert set(queue) == {"whole", "whole_0_0"}


def test_a_validation_group_with_a_failure_is_kept(queue, open_buffer):
    for mode in MODES:
        buffer, _ = open_buffer(mode)
        buffer.failure_keys["val"] = {"some"}
        assert buffer._terminal_eviction_reasons(3, "val")[2] == set()


@pytest.mark.parametrize("mode", MODES)
def test_a_group_that_does_not_end_is_dropped_after_the_time_limit_of_its_rollouts(
    mode, queue, clock, open_buffer, tmp_path
):
    buffer, _ = open_buffer(mode)
    queue |= {"slow": group("running"), "stuck": group("running")}
    assert evict(buffer) == set()
    clock[0] += 60 + GRACE_SECONDS
    queue |= {"slow": group("finished"), "later": group("running")}
    assert evict(buffer) == set()
    clock[0] += 41
    assert evict(buffer) == {"stuck"}
    assert set(queue) == {"slow", "later"}
    assert "did not end after" in last_failure(tmp_path)


@pytest.mark.parametrize("mode", MODES)
def test_a_stuck_group_for_validation_ends_and_is_recorded_once(mode, queue, clock, open_buffer, tmp_path, monkeypatch):
    buffer, _ = open_buffer(mode)
    monkeypatch.setattr(tq, "kv_list", lambda: {"val": {"stuck": group("running")}})
    buffer._sync_metadata_from_transfer_queue()
    clock[0] += 101 + GRACE_SECONDS
    for _ in range(3):
        buffer._sync_metadata_from_transfer_queue()
        assert buffer.failure_keys["val"] == {"stuck"}
    assert len((tmp_path / "failures.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize("mode", MODES[1:])
def test_an_asynchronous_trainer_replaces_groups_that_failed_or_are_too_old(mode, queue, open_buffer):
    buffer, submitted = open_buffer(mode, threshold=2)
    assert isinstance(buffer, ReplayBufferAsync)
    queue |= {"old": group("finished", step=1), "failed": group("failure"), "new": group("finished", step=3)}
    ready, metrics = buffer.wait_for_sampleable(3, "train", 1)
    assert (ready, submitted) == ({"new"}, [2])
    assert metrics["training/off_policy/evicted_samples"] == 1
    assert buffer.losses.failed == 1


def test_groups_that_are_too_old_never_end_training(queue, open_buffer):
    buffer, _ = open_buffer("separate_async", threshold=1)
    for number in range(4 * MAX_LOST_BATCHES + 1):
        queue[f"old{number}"] = group("finished", step=1)
    assert len(evict(buffer, step=9)) == 4 * MAX_LOST_BATCHES + 1


@pytest.mark.parametrize("mode", MODES)
def test_a_persistently_failing_sandbox_ends_training(mode, queue, open_buffer, tmp_path):
    buffer, _ = open_buffer(mode)
    record_failure({"out": str(tmp_path)}, "no fork server can be started")
    for batch in range(MAX_LOST_BATCHES - 1):
        queue |= {f"{batch}-{number}": group("failure") for number in range(4)}
        assert len(evict(buffer)) == 4
    queue |= {f"last-{number}": group("failure") for number in range(4)}
    with pytest.raises(InfrastructureError, match=r"no fork server can be started.* last checkpoint is kept"):
        evict(buffer)
