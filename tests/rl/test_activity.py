"""Shares of time with a rollout being generated, or running in its environment."""

import pytest

from storm_calm.rl.rollout import activity
from storm_calm.rl.rollout.activity import Activity, BusyClock, Utilization


@pytest.fixture
def clock(monkeypatch):
    now = [50.0]
    monkeypatch.setattr(activity, "monotonic", lambda: now[0])
    return now


def test_overlapping_tasks_count_once(clock):
    busy = BusyClock()
    with busy.task():
        clock[0] += 2
        with busy.task():
            clock[0] += 3
        clock[0] += 1
        assert busy.seconds == 6
    clock[0] += 10
    assert busy.seconds == 6


def test_a_task_that_raises_is_over(clock):
    busy = BusyClock()
    with pytest.raises(ValueError, match="failed"), busy.task():
        raise ValueError("failed")
    clock[0] += 10
    assert busy.seconds == 0


def test_shares_are_of_the_time_since_the_last_batch(clock):
    rollouts, shares = Activity(), Utilization()
    with rollouts.generating.task():
        clock[0] += 4
    assert shares.shares([rollouts.reading()]) == {}
    with rollouts.generating.task():
        clock[0] += 3
    with rollouts.acting.task():
        clock[0] += 1
    early = rollouts.reading()
    clock[0] += 6
    # The order of readings does not matter.
    assert shares.shares([rollouts.reading(), early]) == {"generating": 0.3, "acting": 0.1}


def test_shares_are_means_over_processes_that_are_known(clock):
    shares = Utilization()
    first = {"process": "a", "at": 10.0, "generating": 0.0, "acting": 0.0}
    other = {"process": "b", "at": 500.0, "generating": 0.0, "acting": 0.0}
    assert shares.shares([first, other]) == {}
    later = [
        {"process": "a", "at": 20.0, "generating": 10.0, "acting": 5.0},
        {"process": "b", "at": 520.0, "generating": 10.0, "acting": 0.0},
        {"process": "new", "at": 7.0, "generating": 7.0, "acting": 7.0},
    ]
    assert shares.shares(later) == {"generating": 0.75, "acting": 0.25}
    # A reading that arrives late changes nothing.
    assert shares.shares([first]) == {}
