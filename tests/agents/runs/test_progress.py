"""Progress reports the elapsed and the remaining time, at the pace of this session."""

import pytest

from storm_calm.agents.runs import progress
from storm_calm.agents.runs.progress import ProgressMeter, SessionUsage, duration


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    return now


def test_the_remaining_time_is_estimated_from_this_session(clock):
    meter = ProgressMeter(10, done=4)
    assert meter.read(done=4, in_flight=2, counts={}).seconds_left is None
    clock[0] += 6
    read = meter.read(
        done=6, in_flight=2, counts={"right": 5}, errors=["slow", "down"], usage=SessionUsage(output_tokens=300)
    )
    assert (read.elapsed_seconds, read.seconds_left, read.tokens_per_second) == (6, 12, 50)
    assert (read.errors, read.last_error, read.counts) == (2, "down", {"right": 5})


def test_durations_are_formatted_with_units():
    assert [duration(seconds) for seconds in (0.4, 59, 61, 3840)] == ["0 s", "59 s", "1 min 01 s", "1 h 04 min"]


def test_tokens_per_second_are_those_of_the_last_half_minute(clock):
    meter = ProgressMeter(2)
    tokens, rates = 0, []
    for second in range(60):
        clock[0] += 1
        tokens += 100 if second < 20 else 4
        rates.append(meter.read(done=0, in_flight=1, counts={}, usage=SessionUsage(output_tokens=tokens)))
    assert (rates[4].tokens_per_second, rates[4].usage.output_tokens) == (100, 500)
    assert rates[-1].tokens_per_second == 4


def test_the_time_left_is_known_before_the_first_job_ends(clock):
    meter = ProgressMeter(4)
    clock[0] += 30
    assert meter.read(done=0, in_flight=2, counts={}).seconds_left is None
    assert meter.read(done=0, in_flight=2, counts={}, parts_done=0.5).seconds_left == 30 / 0.5 * 3.5
    assert ProgressMeter(10, done=4, earlier_seconds=80).read(done=4, in_flight=2, counts={}).seconds_left == 120
