"""Rows generated in a batch equal rows generated alone, with the model's log-probabilities."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from storm_calm.env.problems.families import generate
from storm_calm.rl.verl_cpu.batched_generation import GenerationBatch, GenerationRequest

pytestmark = pytest.mark.slow

STOP = ("```\n", "```output")


@pytest.fixture(scope="module")
def model(nano):
    return AutoModelForCausalLM.from_pretrained(nano, dtype=torch.float32, attn_implementation="sdpa").eval()


@pytest.fixture
def batch(model, renderer):
    return GenerationBatch(model, renderer.tokens, rows=12, length=900)


@pytest.fixture(scope="module")
def prompts(renderer):
    problems = generate(["all"], split="train", seed=3, limit=4)
    return [
        renderer.encode_marked(renderer.render([{"role": "user", "content": problem.question}]))[0]
        for problem in problems
    ]


def ask(ids, key, **changes):
    return GenerationRequest(
        **{"key": key, "ids": ids, "limit": 30, "temperature": 0.8, "top_p": 1.0, "stop": STOP, "seed": 7, **changes}
    )


def write(batch, requests):
    batch.join(requests)
    done = {}
    while batch.busy:
        done |= {written.key: written for written in batch.step()}
    return done


def probabilities(model, request, written):
    """Return the model's probabilities from one forward pass over everything."""
    with torch.inference_mode():
        logits = model(torch.tensor([[*request.ids, *written.ids]])).logits[0].float()
    logprobs = (logits / request.temperature).log_softmax(-1)
    start = len(request.ids) - 1
    return [logprobs[start + at, id].exp().item() for at, id in enumerate(written.ids)]


def close(model, request, written):
    sampled = [torch.tensor(value).exp().item() for value in written.logprobs]
    return max(abs(a - b) for a, b in zip(sampled, probabilities(model, request, written), strict=True)) < 1e-5


def test_logprobs_equal_those_of_one_forward_pass(model, batch, prompts):
    requests = [ask(ids, (at, n), seed=10 * at + n) for at, ids in enumerate(prompts) for n in range(3)]
    written = write(batch, requests)
    assert len(written) == 12
    assert all(close(model, request, written[request.key]) for request in requests)


def test_a_row_is_generated_as_if_it_were_alone(model, renderer, batch, prompts):
    alone = write(GenerationBatch(model, renderer.tokens, rows=1, length=900), [ask(prompts[0], "a")])["a"]
    batch.join([ask(prompts[1], "b", seed=1), ask(prompts[2], "c", seed=2, limit=5)])
    done = {}
    for _ in range(3):
        done |= {written.key: written for written in batch.step()}
    batch.join([ask(prompts[0], "a"), ask(prompts[0], "d", seed=9)])
    while batch.busy:
        done |= {written.key: written for written in batch.step()}
    assert set(done) == {"a", "b", "c", "d"}
    assert done["a"].ids == alone.ids
    assert done["a"].ids != done["d"].ids


def test_a_continuation_reuses_the_kv_cache_of_its_row_under_any_key(model, renderer, batch, prompts):
    first = [ask(ids, at, seed=at) for at, ids in enumerate(prompts)]
    before = write(batch, first)
    observed = renderer.encode("```output\n12\n```\n")[0]
    second = [
        ask((*one.ids, *before[one.key].ids, *observed), f"new {one.key}", seed=50 + one.key) for one in first[::-1]
    ]
    fed = []
    run = batch._cache.run
    batch._cache.run = lambda *a, **k: fed.append([len(ids) for ids in k["ids"]]) or run(*a, **k)
    after = write(batch, second)
    assert max(fed[0]) <= len(observed) + 1
    assert all(close(model, request, after[request.key]) for request in second)


def test_an_aborted_row_continues_with_other_random_numbers(model, batch, prompts):
    request = ask(prompts[0], "a", temperature=5.0)
    batch.join([request])
    for _ in range(4):
        batch.step()
    (part,) = batch.abort()
    assert (part.key, len(part.ids), batch.busy) == ("a", 4, False)
    rest = ask((*prompts[0], *part.ids), "b", temperature=5.0)
    written = write(batch, [rest])["b"]
    assert close(model, rest, written)
    assert written.ids[:4] != part.ids


def test_a_rewound_row_drops_the_rest_of_its_cache(model, batch, prompts):
    before = write(batch, [ask(prompts[0], "a")])["a"]
    cut = ask((*prompts[0], *before.ids[:4]), "a", seed=3)
    after = write(batch, [cut])["a"]
    assert close(model, cut, after)


def test_waiting_rows_are_evicted_for_new_ones(model, batch, prompts):
    for round in range(4):
        requests = [ask(ids, (round, at, n), limit=3) for at, ids in enumerate(prompts) for n in range(3)]
        assert len(write(batch, requests)) == 12
    again = ask(prompts[0], (0, 0, 0), limit=3)
    assert close(model, again, write(batch, [again])[0, 0, 0])


def test_new_weights_invalidate_the_cache(model, batch, prompts):
    before = write(batch, [ask(prompts[0], "a")])["a"]
    weight = model.model.norm.weight
    kept = weight.detach().clone()
    try:
        with torch.no_grad():
            weight.mul_(0.5)
        batch.forget()
        request = ask((*prompts[0], *before.ids), "a")
        assert close(model, request, write(batch, [request])["a"])
    finally:
        with torch.no_grad():
            weight.copy_(kept)


def test_uninitialized_memory_has_no_effect(model, renderer, prompts, monkeypatch):
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *a, **k: empty(*a, **k).fill_(float("nan")))
    batch = GenerationBatch(model, renderer.tokens, rows=12, length=900)
    monkeypatch.undo()
    requests = [ask(ids, at, seed=at) for at, ids in enumerate(prompts)]
    written = write(batch, requests)
    assert all(close(model, request, written[request.key]) for request in requests)


def test_greedy_sampling_equals_a_tiny_nucleus(batch, prompts):
    greedy = [write(batch, [ask(prompts[0], n, temperature=0.0, seed=n)])[n].ids for n in range(2)]
    assert greedy[0] == greedy[1]
    # So small a nucleus has only the most likely token.
    assert write(batch, [ask(prompts[0], "n", temperature=1.0, top_p=1e-6, seed=4)])["n"].ids == greedy[0]


def test_segments_end_at_stop_strings_and_limits(renderer, batch, prompts):
    written = write(batch, [ask(ids, at, limit=400) for at, ids in enumerate(prompts)])
    for one in written.values():
        read = renderer.read(one.ids, stop=STOP)
        assert read.ids == one.ids
        assert read.finish != "length"
        assert not any(word in read.text[:-4] for word in STOP)
    assert len(write(batch, [ask(prompts[0], "short", limit=2)])["short"].ids) == 2


def test_a_request_that_is_too_long_is_rejected_with_the_setting_to_raise(batch, prompts):
    with pytest.raises(ValueError, match=r"do not fit 900; raise data\.max_prompt_length"):
        batch.join([ask(prompts[0] * 9, "a")])
