"""The longest waiter gets the next slot."""

import threading
import time

import pytest

from storm_calm.sandbox import SandboxUnavailableError
from storm_calm.sandbox.backends.fair_semaphore import FairSemaphore


def start(slots, order, name, accepts=lambda slot: True):
    """Start a thread that waits for a slot, records its name and the slot, and releases it."""

    def wait():
        try:
            with slots.acquire(accepts) as slot:
                order.append((name, slot))
        except SandboxUnavailableError:
            order.append((name, None))

    before = slots.waiting_count
    thread = threading.Thread(target=wait)
    thread.start()
    while slots.waiting_count == before and thread.is_alive():
        time.sleep(0.001)
    return thread


def test_slots_are_granted_in_request_order():
    slots = FairSemaphore(["a"])
    order: list[tuple[int, str]] = []
    with slots.acquire():
        threads = [start(slots, order, number) for number in range(20)]
    for thread in threads:
        thread.join()
    assert [number for number, _ in order] == list(range(20))


def test_waiting_for_a_specific_slot_does_not_block_others():
    slots = FairSemaphore(["a", "b"])
    order: list[tuple[str, str]] = []
    with slots.acquire(lambda slot: slot == "a"):
        picky = start(slots, order, "picky", lambda slot: slot == "a")
        start(slots, order, "anyone").join()
        assert order == [("anyone", "b")]
    picky.join()
    assert order[-1] == ("picky", "a")


def test_uncontended_means_at_most_one_slot_taken_and_no_waiter():
    slots = FairSemaphore(["a", "b"])
    assert slots.is_uncontended()
    with slots.acquire():
        assert slots.is_uncontended()
        with slots.acquire():
            assert not slots.is_uncontended()
            waiting = start(slots, [], "waiting")
        waiting.join()
    assert slots.is_uncontended()


def test_an_error_releases_the_slot():
    slots = FairSemaphore(["a"])
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), slots.acquire():
            raise ZeroDivisionError


def test_close_rejects_current_and_later_waiters():
    slots = FairSemaphore(["a"])
    order: list[tuple[str, str | None]] = []
    with slots.acquire():
        waiting = start(slots, order, "waiting")
        slots.close()
        waiting.join()
    start(slots, order, "late").join()
    assert order == [("waiting", None), ("late", None)]
