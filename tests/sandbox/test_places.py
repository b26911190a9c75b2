"""Whoever waits longest is next."""

import threading
import time

import pytest

from storm_calm.sandbox import SandboxUnavailableError
from storm_calm.sandbox.backends.fair_semaphore import Places


def start(places, order, name, accepts=lambda place: True):
    """A thread that waits for a place, notes its name and the place, and gives it back."""

    def wait():
        try:
            with places.take(accepts) as place:
                order.append((name, place))
        except SandboxUnavailableError:
            order.append((name, None))

    before = len(places._waiting)
    thread = threading.Thread(target=wait)
    thread.start()
    while len(places._waiting) == before and thread.is_alive():
        time.sleep(0.001)
    return thread


def test_places_are_given_in_the_order_of_asking():
    places = Places(["a"])
    order: list[tuple[int, str]] = []
    with places.take():
        threads = [start(places, order, number) for number in range(20)]
    for thread in threads:
        thread.join()
    assert [number for number, _ in order] == list(range(20))


def test_one_who_waits_for_a_certain_place_does_not_hold_up_the_others():
    places = Places(["a", "b"])
    order: list[tuple[str, str]] = []
    with places.take(lambda place: place == "a"):
        picky = start(places, order, "picky", lambda place: place == "a")
        start(places, order, "anyone").join()
        assert order == [("anyone", "b")]
    picky.join()
    assert order[-1] == ("picky", "a")


def test_it_is_calm_while_at_most_one_place_is_taken_and_nobody_waits():
    places = Places(["a", "b"])
    assert places.calm()
    with places.take():
        assert places.calm()
        with places.take():
            assert not places.calm()
            waiting = start(places, [], "waiting")
        waiting.join()
    assert places.calm()


def test_an_error_gives_the_place_back():
    places = Places(["a"])
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), places.take():
            raise ZeroDivisionError


def test_closing_turns_away_those_who_wait_and_those_who_come():
    places = Places(["a"])
    order: list[tuple[str, str | None]] = []
    with places.take():
        waiting = start(places, order, "waiting")
        places.close()
        waiting.join()
    start(places, order, "late").join()
    assert order == [("waiting", None), ("late", None)]
