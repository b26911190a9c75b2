"""`agents.reasoners.routing`: each trajectory stays at the replica that has its prefix."""

import pytest

from storm_calm.agents.reasoners import routing
from storm_calm.agents.reasoners.routing import Replica, Router
from storm_calm.env import Generation

INSTRUCTIONS = "You solve optimization problems with Python programs. Write one program at a time. " * 4
TAIL = "<|im_end|>\n<|im_start|>assistant\n<think>\n"
SEGMENT = "There are {} chairs, and each of them takes one hour. Let me solve it with a program: it is small."


@pytest.fixture
def router():
    return Router([Replica(url=f"http://gpu-{number}/v1") for number in range(3)])


def first_prompt(number):
    return f"{INSTRUCTIONS}A workshop has {number} hours. What is the largest profit of its chairs?{TAIL}"


def request(router, prompt, text="", *, ids=None):
    """Send a request and return its replica."""
    replica = router.choose(prompt)
    router.answered(replica, prompt, Generation(text=text, ids=ids, ends=ids and (len(text),) * len(ids), finish="end"))
    router.release(replica)
    return replica


def begun(router, count):
    """Begin trajectories at the same time; return their replicas and texts."""
    prompts = [first_prompt(number) for number in range(count)]
    replicas = [router.choose(prompt) for prompt in prompts]
    for number, (replica, prompt) in enumerate(zip(replicas, prompts, strict=True)):
        router.answered(replica, prompt, Generation(text=SEGMENT.format(number), finish="stop"))
        router.release(replica)
    return replicas, [prompt + SEGMENT.format(number) for number, prompt in enumerate(prompts)]


def test_new_trajectories_go_to_the_replica_with_the_fewest_requests(router):
    replicas, _ = begun(router, 9)
    assert [replicas.count(replica) for replica in router.replicas] == [3, 3, 3]
    assert [replica.busy for replica in router.replicas] == [0, 0, 0]


def test_all_turns_of_a_trajectory_go_to_one_replica(router):
    replicas, texts = begun(router, 9)
    for turn in range(4):
        texts = [f"{text}\n```output\n{turn}\n```\n" for text in texts]
        # In any order, and whatever the load.
        for number in (5, 2, 8, 0, 1, 7, 3, 6, 4):
            assert request(router, texts[number], "So it goes on with the next program.") is replicas[number]
        texts = [f"{text}So it goes on with the next program." for text in texts]


@pytest.mark.parametrize("kept", [0, 10, 60])
def test_a_trajectory_that_a_hint_cut_stays_at_its_replica(router, kept):
    replicas, texts = begun(router, 6)
    for number in (3, 1, 5, 0, 2, 4):
        cut = texts[number][: len(first_prompt(number)) + kept]
        assert request(router, f"{cut}Wait, I should write a program instead of guessing.") is replicas[number]


def test_samples_of_one_problem_are_shared_among_the_replicas(router):
    chosen = [router.choose(first_prompt(1)) for _ in range(6)]
    assert [chosen.count(replica) for replica in router.replicas] == [2, 2, 2]


def test_a_problem_with_a_known_prefix_prefers_its_replica_among_equals(router):
    there = request(router, first_prompt(1), SEGMENT)
    assert request(router, first_prompt(1), SEGMENT) is there
    router.choose("something else")
    assert router.choose(first_prompt(1)) is not None


def test_prompts_of_token_ids_are_routed_in_the_same_way(router):
    first = tuple(range(40))
    there = request(router, first, "x" * 20, ids=tuple(range(100, 120)))
    for other in range(5):
        request(router, (*range(20), *range(500 + 20 * other, 540 + 20 * other)), "y", ids=(7,))
    assert request(router, (*first, *range(100, 120), 9, 9, 9), "z", ids=(1,)) is there


def test_a_failed_replica_is_left_out_and_tried_again_after_its_backoff(router, monkeypatch, caplog):
    replicas, texts = begun(router, 3)
    failed = replicas[1]
    router.failed(failed)
    assert request(router, texts[1]) is not failed
    assert failed not in [request(router, first_prompt(number)) for number in range(10, 20)]
    monkeypatch.setattr(routing, "FIRST_BACKOFF_SECONDS", 0.0)
    router.failed(failed)
    trial = router.choose(first_prompt(30))
    assert trial is failed
    # One request tries it, the others do not wait for the result.
    assert router.choose(first_prompt(31)) is not failed
    router.answered(trial, first_prompt(30), Generation(text="", finish="end"))
    assert (failed.up, failed.failures) == (True, 0)
    assert [record.message.partition(" ")[2] for record in caplog.records] == [
        "does not answer; its trajectories go to other replicas",
        "answers again",
    ]


def test_backoffs_double(router, monkeypatch):
    monkeypatch.setattr(routing, "monotonic", lambda: 100.0)
    waits = []
    for _ in range(8):
        router.failed(router.replicas[0])
        waits.append(router.replicas[0].retry_at - 100.0)
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


def test_a_moved_trajectory_stays_at_its_new_replica(router):
    replicas, texts = begun(router, 3)
    router.failed(replicas[0])
    new = request(router, texts[0], "More text that only the new replica has in its cache.")
    router.recovered(replicas[0])
    text = texts[0] + "More text that only the new replica has in its cache."
    assert request(router, f"{text}\n```output\n1\n```\n") is new


def test_if_all_replicas_fail_one_is_returned_still(router):
    for replica in router.replicas:
        router.failed(replica)
    assert router.choose("x", without=router.replicas) in router.replicas


def test_memory_is_bounded(router, monkeypatch):
    monkeypatch.setattr(routing, "MAX_BLOCKS", 100)
    for number in range(50):
        request(router, first_prompt(number), SEGMENT)
    assert len(router._blocks) == 100
