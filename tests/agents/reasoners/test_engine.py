"""`agents.reasoners.engine`: bit-identical logits, and reuse of earlier requests."""

import os
import subprocess
import sys

import numpy as np
import pytest

from storm_calm.agents.reasoners import built_in
from storm_calm.agents.reasoners.engine import Engine
from storm_calm.env.reasoner import ReasonerError

WRITTEN = [5, 9, 17]


@pytest.fixture
def engine() -> Engine:
    return Engine(built_in("nano-base"), max_cached=3)


def sequence(engine: Engine, length: int, seed: int = 0) -> list[int]:
    return np.random.default_rng(seed).integers(3, engine.vocabulary, length).tolist()


def logits(engine: Engine, ids: list[int], pieces: list[int], written: list[int] = WRITTEN) -> np.ndarray:
    """Return the logits after the prompt `ids`, computed in these pieces, and after each token of `written`.

    Shape (written + 1, vocabulary).
    """
    with engine.caches.lease(ids) as cache:
        assert cache.length == 0
        rows = []
        for size in pieces:
            last = cache.forward(ids[cache.length : cache.length + size])
        rows = [last.copy(), *(cache.forward([id]).copy() for id in written)]
        assert cache.length == len(ids) + len(written)
    engine.caches.clear()
    return np.stack(rows)


@pytest.mark.parametrize("length", [4, 9, 40, 300, 700, 1500])
def test_logits_have_the_same_bits_however_the_prompt_was_cut(engine, length):
    ids = sequence(engine, length)
    whole = logits(engine, ids, [length])
    assert np.array_equal(logits(engine, ids, [length // 2, length - length // 2]), whole)
    assert np.array_equal(logits(engine, ids, [2, length - 2]), whole)
    assert np.array_equal(logits(engine, ids, [length - 2, 2]), whole)
    assert np.array_equal(logits(engine, ids, [2] * (length // 2 - 1) + [2 + length % 2]), whole)


def test_what_was_written_is_computed_anew_as_part_of_a_prompt(engine):
    ids = sequence(engine, 40)
    prompt = [*ids, *WRITTEN]
    fresh = logits(engine, prompt, [len(prompt)])
    with engine.caches.lease(ids) as cache:
        cache.forward(ids)
        for id in WRITTEN:
            cache.forward([id])
    with engine.caches.lease(prompt) as cache:
        assert cache.length == 40
        rows = [cache.forward(prompt[40:]).copy(), *(cache.forward([id]).copy() for id in WRITTEN)]
    assert np.array_equal(np.stack(rows), fresh)


def test_the_longest_common_prefix_is_taken_over_with_the_same_bits(engine):
    ids = sequence(engine, 60)
    other = [*ids[:40], *sequence(engine, 20, seed=1)]
    fresh = logits(engine, other, [60], written=[])[0]
    with engine.caches.lease(ids) as cache:
        cache.forward(ids)
    with engine.caches.lease(other) as cache:
        assert cache.length == 40
        assert np.array_equal(cache.forward(other[40:]), fresh)


def test_going_back_leaves_what_another_episode_may_come_back_to(engine):
    ids = sequence(engine, 60)
    with engine.caches.lease(ids) as cache:
        cache.forward(ids)
    back = [*ids[:30], 5, 6]
    with engine.caches.lease(back) as cache:
        assert cache.length == 30
        cache.forward(back[30:])
    with engine.caches.lease([*ids, 7, 8]) as cache:
        assert cache.length == 60


def test_a_prefix_is_shared_by_requests_at_the_same_time(engine):
    ids = sequence(engine, 60)
    with engine.caches.lease(ids) as first:
        first.forward(ids)
        with engine.caches.lease([*ids, 8, 9]) as second:
            assert second is not first
            assert second.length == 60


def test_two_tokens_are_always_left_to_compute_where_there_are_two(engine):
    ids = sequence(engine, 60)
    for _ in range(2):
        with engine.caches.lease(ids) as cache:
            assert cache.length <= 58
            cache.forward(ids[cache.length :])
    with engine.caches.lease(ids[:1]) as cache:
        assert cache.length == 0
        cache.forward(ids[:1])


def test_the_least_recently_used_sequence_is_forgotten_first(engine):
    ids = [sequence(engine, 20, seed=seed) for seed in range(4)]
    for number in (0, 1, 2, 0, 3):
        with engine.caches.lease(ids[number]) as cache:
            cache.forward(ids[number][cache.length :])
    known = {number: engine.caches.lease([*ids[number], 5, 6]) for number in (0, 2, 3)}
    for lease in known.values():
        with lease as cache:
            assert cache.length == 20
    with engine.caches.lease([*ids[1], 5, 6]) as cache:
        assert cache.length == 0


def test_more_requests_at_once_than_are_kept_is_no_trouble(engine):
    ids = sequence(engine, 20)
    leases = [engine.caches.lease([*ids, number, 3]) for number in range(5)]
    caches = [lease.__enter__() for lease in leases]
    assert len({id(cache) for cache in caches}) == 5
    for cache in caches:
        cache.forward(ids[cache.length :])
    for lease in leases:
        lease.__exit__(None, None, None)
    assert len(engine.caches._caches) == 3


def test_a_folder_without_a_model_is_named_with_what_to_do(tmp_path):
    with pytest.raises(
        ReasonerError, match=rf"{tmp_path}: model.onnx is missing; .*python -m storm_calm.rl.nano.export_onnx"
    ):
        Engine(tmp_path)


def test_a_broken_model_is_named(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"not a model")
    (tmp_path / "genai_config.json").write_text("{}")
    with pytest.raises(ReasonerError, match=rf"{tmp_path}: the model cannot be opened"):
        Engine(tmp_path)


def test_a_missing_package_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ReasonerError, match=r"needs onnxruntime.*pip install"):
        Engine(built_in("nano-base"))


def test_telemetry_is_off_before_onnxruntime_is_imported():
    code = "import os, sys, agents.reasoners.engine as _; print(os.environ['ORT_DISABLE_TELEMETRY'], *sys.modules)"
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    result = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    value, *modules = result.stdout.split()
    assert value == "1"
    assert "onnxruntime" not in modules
