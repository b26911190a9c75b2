"""`agents.reasoners.load_limit`: an overloaded server gets fewer requests, and more again later."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from storm_calm.agents.reasoners import load_limit, open_reasoner, queue_metrics
from storm_calm.agents.reasoners.load_limit import LoadLimit
from storm_calm.env import Sampling
from storm_calm.sandbox import RunCancelledError
from support.scripted_server import Reply, ScriptedServer, event


class NoPauseError(Exception):
    pass


def no_pause(seconds):
    raise NoPauseError


def held(load, count):
    stack = ExitStack()
    return stack, [stack.enter_context(load.slot(no_pause)) for _ in range(count)]


def test_there_is_no_limit_without_an_overload():
    load = LoadLimit()
    stack, _ = held(load, 500)
    assert load.busy == 500
    stack.close()
    assert load.busy == 0


def test_an_overload_halves_the_requests_once_for_all_that_were_sent_before():
    load = LoadLimit()
    stack, slots = held(load, 16)
    for slot in slots[6:]:
        slot.overloaded()
    stack.close()
    assert load.most == 8
    stack, _ = held(load, 8)
    with pytest.raises(NoPauseError), load.slot(no_pause):
        pass
    stack.close()


def test_the_limit_grows_by_one_for_each_round_of_answers():
    load = LoadLimit()
    load.most = 8.0
    for _ in range(2):
        stack, slots = held(load, int(load.most))
        for slot in slots:
            slot.answered()
        stack.close()
    # Only requests at the limit count: a limit that holds nothing back does not grow.
    assert 8.2 < load.most < 10
    before = load.most
    with load.slot(no_pause) as slot:
        slot.answered()
    assert load.most == before


def test_at_least_one_request_is_always_sent():
    load = LoadLimit()
    for _ in range(5):
        with load.slot(no_pause) as slot:
            slot.overloaded()
    assert load.most == 1
    with load.slot(no_pause):
        assert load.busy == 1


def test_nothing_is_sent_before_retry_after_is_over(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(load_limit, "monotonic", lambda: now[0])
    load = LoadLimit()
    with load.slot(no_pause) as slot:
        slot.overloaded(retry_after=3.0)
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        now[0] += seconds

    with load.slot(pause):
        assert now[0] >= 103.0
    assert sum(pauses) < 3.6


def test_threads_and_tasks_wait_for_a_slot():
    load = LoadLimit()
    load.most, most = 3.0, []

    def work(number):
        with load.slot(threading.Event().wait):
            most.append(load.busy)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))

    async def task():
        async with load.slot_async():
            most.append(load.busy)
            await asyncio.sleep(0)

    async def tasks():
        await asyncio.gather(*(task() for _ in range(8)))

    asyncio.run(tasks())
    assert len(most) == 48
    assert max(most) <= 3


METRICS = """# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
vllm:num_requests_running{engine="0",model_name="m"} 3.0
vllm:num_requests_waiting{engine="0",model_name="m"} %s
vllm:num_requests_waiting_by_reason{engine="0",reason="capacity"} 99.0
"""


@pytest.mark.parametrize(("waiting", "long"), [("0.0", False), ("3.0", False), ("12.0", True), ("1.2e+01", True)])
def test_a_queue_is_long_if_more_requests_wait_than_run(waiting, long):
    assert queue_metrics.METRICS["vllm"].is_queue_long(METRICS % waiting) is long
    assert not queue_metrics.METRICS["vllm"].is_queue_long("no metrics")


def test_a_server_with_a_long_queue_gets_fewer_requests(monkeypatch):
    monkeypatch.setattr("storm_calm.agents.reasoners.endpoint_reasoner.CHECK_SECONDS", 0.0)
    server = ScriptedServer()
    server.play(Reply(events=[event("Well.", "stop")]))
    server.pages["/metrics"] = METRICS % "40.0"
    with closing(open_reasoner(server.url)) as reasoner, ExitStack() as stack:
        for _ in range(10):
            stack.enter_context(reasoner.load.slot(no_pause))
        # The slots are full now: the request would wait.
        reasoner.cancel()
        with pytest.raises(RunCancelledError):
            reasoner.generate("x", stop=(), max_tokens=5, sampling=Sampling())
        assert reasoner.load.most == 5
    server.close()
